// Evidence files `piekwacht/evidence@v1`, read strictly (docs/proof-format.md). Nothing is verified here.
import { decodeText } from "./bytes.js";
import { readJson } from "./json.js";
import { require } from "./proof_error.js";
import { integer, list, number, nullable, oneOf, pattern, record, text } from "./shape.js";

export const MAX_EVIDENCE_BYTES = 16_777_216;
const MOMENT = /^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z$/;
const ANY = 2n ** 200n;

const closed = (required, optional = {}) => record(required, optional, { closed: true });
const items = (type) => list(type, { max: 1_000 });
const anyInteger = integer(-ANY, ANY);
const PUBLISHED = closed({ value: nullable(number), flags: list(text), corrected: nullable(number), rule: nullable(text) });
const CLAIM = closed(
  {
    station: text,
    node: text,
    property: text,
    observed_at: pattern(MOMENT),
    value: nullable(number),
    flags: integer(0n, 2n ** 31n - 1n),
    published: PUBLISHED,
  },
  { stamped_at: nullable(pattern(MOMENT)) },
);
const BATCH = closed({ node: text, incarnation: text, number: anyInteger, signed: text, proof: text });
const LEAF = closed({ leaf: text, proof: text });
const DOCUMENT = closed({ document: text, leaf: text, proof: text });
const EVIDENCE = closed(
  { claim: nullable(CLAIM), batch: BATCH, node_key: LEAF, policy: text },
  {
    format: oneOf("piekwacht/evidence@v1"),
    events: items(DOCUMENT),
    deliveries: items(LEAF),
    rules: items(DOCUMENT),
    time_stamp: nullable(closed({ size: anyInteger, token: text })),
    minute_batches: items(BATCH),
  },
);

// Evidence of the bytes of a file. Throws a ProofError with the reason.
export function readEvidence(bytes) {
  require(bytes.length <= MAX_EVIDENCE_BYTES, "evidence_large", { bytes: bytes.length });
  const evidence = readJson(decodeText(bytes), { uniqueKeys: true });
  EVIDENCE(evidence, "$");
  const lists = { events: [], deliveries: [], rules: [], minute_batches: [], time_stamp: null };
  return { ...lists, ...evidence };
}
