// Leaves of the log: small typed texts of three lines (docs/proof-format.md).
import { encodeBase64, encodeText, sha256 } from "./bytes.js";
import { require } from "./proof_error.js";

const FIELD = /^[!-~]{1,200}$/;
const CONTENT = /^[!-~]{1,1000}$/;
const ASCII = /^[\x00-\x7f]*$/;

export const KINDS = {
  "piekwacht/batch@v1": 3, // node, incarnation, number
  "piekwacht/node-key@v1": 4, // node, station, from, until
  "piekwacht/calibration@v1": 4,
  "piekwacht/correction-rule@v1": 2,
  "piekwacht/detector@v1": 1,
  "piekwacht/event@v1": 2,
  "piekwacht/delivery@v1": 1,
  "piekwacht/removed@v1": 3,
};

// {kind, fields, content} of the text of an entry. Throws a ProofError unless it is written in its only form.
export function parseLeaf(text) {
  const lines = text.split("\n");
  require(ASCII.test(text) && lines.length === 4 && lines[3] === "", "leaf_lines");
  const [kind, second, content] = lines;
  require(Object.hasOwn(KINDS, kind), "leaf_kind", { kind: kind.slice(0, 60) });
  const fields = second.split(" ");
  require(fields.length === KINDS[kind] && fields.every((field) => FIELD.test(field)), "leaf_fields", { kind });
  require(CONTENT.test(content), "leaf_content", { kind });
  return { kind, fields, content };
}

// Bytes of the leaf of a batch; `payload`: its signed bytes as the node sent them.
export async function describeBatch(node, incarnation, number, payload) {
  const text = `piekwacht/batch@v1\n${node} ${incarnation} ${number}\n${encodeBase64(await sha256(payload))}\n`;
  parseLeaf(text);
  return encodeText(text);
}
