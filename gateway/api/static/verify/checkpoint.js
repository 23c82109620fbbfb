// Checkpoints: the signed head of a log, after https://c2sp.org/tlog-checkpoint.
import { decodeBase64, decodeText, encodeBase64, equal, fromHex } from "./bytes.js";
import { HASH_BYTES } from "./merkle.js";
import { ProofError, require } from "./proof_error.js";
import { openNote, splitNote } from "./signed_note.js";

export const MAX_CHECKPOINT_BYTES = 65_536;
const SIZE = /^(?:0|[1-9][0-9]{0,18})$/;
const EMPTY_ROOT = fromHex("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");

// {origin, size: BigInt, root} of the text of a note; extension lines are not accepted.
export function parseCheckpoint(bytes) {
  const lines = decodeText(bytes).split("\n");
  require(lines.length === 4 && lines[3] === "", "checkpoint_lines");
  const [origin, size, encoded] = lines;
  require(origin !== "" && SIZE.test(size), "checkpoint_size");
  const root = decodeHash(encoded);
  require(size !== "0" || equal(root, EMPTY_ROOT), "checkpoint_empty");
  return { origin, size: BigInt(size), root };
}

// Checkpoint of a signed note, without verifying anything.
export function readCheckpoint(note) {
  require(note.length <= MAX_CHECKPOINT_BYTES, "checkpoint_large", { bytes: note.length });
  return parseCheckpoint(splitNote(note).text);
}

// Checkpoint of a note with the log's signature, which is verified. Throws a ProofError with the reason.
export async function openCheckpoint(note, verifier) {
  const checkpoint = readCheckpoint(note);
  require(checkpoint.origin === verifier.name, "checkpoint_origin", { origin: checkpoint.origin, name: verifier.name });
  try {
    await openNote(note, verifier);
  } catch (error) {
    if (error.code !== "unsigned_by") throw error;
    throw new ProofError("checkpoint_unsigned", { name: error.values.name, key: error.values.key });
  }
  return checkpoint;
}

// Base64 of a hash, in its only form -> 32 bytes.
export function decodeHash(text) {
  const raw = decodeBase64(text);
  require(raw.length === HASH_BYTES && encodeBase64(raw) === text, "hash", { text: text.slice(0, 60) });
  return raw;
}
