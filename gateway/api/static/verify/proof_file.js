// Files `.tlog-proof`: that a leaf is in the log, after https://c2sp.org/tlog-proof.
import { encodeText } from "./bytes.js";
import { MAX_CHECKPOINT_BYTES, decodeHash } from "./checkpoint.js";
import { require } from "./proof_error.js";

const HEADER = "c2sp.org/tlog-proof@v1";
const INDEX = /^index (0|[1-9][0-9]{0,18})$/;
const ASCII = /^[\x00-\x7f]*$/;
const MAX_HASHES = 63;
const MAX_BYTES = MAX_CHECKPOINT_BYTES + 16_384;

// {index: BigInt, hashes, checkpoint, hasExtra} of the text of a file. A line `extra` is read over: nobody signed it.
export function parseProof(text) {
  const bytes = encodeText(text).length;
  require(bytes <= MAX_BYTES, "proof_large", { bytes });
  const end = text.indexOf("\n\n");
  const head = end < 0 ? text : text.slice(0, end);
  require(ASCII.test(head), "proof_text");
  const lines = head.split("\n");
  require(end >= 0 && lines[0] === HEADER, "proof_header");
  const hasExtra = lines.length > 1 && lines[1].startsWith("extra ");
  const [indexLine, ...hashLines] = lines.slice(hasExtra ? 2 : 1);
  const match = INDEX.exec(indexLine ?? "");
  require(match !== null, "proof_index");
  require(hashLines.length <= MAX_HASHES, "proof_hashes");
  return { index: BigInt(match[1]), hashes: hashLines.map(decodeHash), checkpoint: encodeText(text.slice(end + 2)), hasExtra };
}
