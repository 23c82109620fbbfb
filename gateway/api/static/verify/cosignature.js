// Cosignatures of witnesses with Ed25519, after https://c2sp.org/tlog-cosignature (version 1).
import { concat, decodeBase64, encodeText, toHex, trim } from "./bytes.js";
import { require } from "./proof_error.js";
import { computeKeyId, findSignatures, isSignedBy, splitNote } from "./signed_note.js";
import { isWeakKey } from "./weak_keys.js";

const ALGORITHM = 0x04;
const KEY_BYTES = 32;
const TIME_BYTES = 8;
const MAX_TIME = 2n ** 63n - 1n;

// {name, keyId, publicKey} of `<name>+<key id>+<base64 of 0x04 and the key>`.
export async function parseWitnessKey(text) {
  const [name, keyId, ...rest] = trim(text).split("+");
  require(name && rest.length > 0, "witness_form");
  const raw = decodeBase64(rest.join("+"));
  require(raw.length === 1 + KEY_BYTES && raw[0] === ALGORITHM, "witness_key", { name });
  const publicKey = raw.subarray(1);
  const computed = await computeKeyId(name, ALGORITHM, publicKey);
  require(toHex(computed) === keyId, "witness_key_id", { name });
  require(!isWeakKey(publicKey), "weak_key", { name });
  return { name, keyId: computed, publicKey };
}

// Time of this witness' cosignature in seconds since 1970, null without one. Throws a ProofError if it is false.
export async function checkCosignature(note, key) {
  const { text, signatures } = splitNote(note);
  const [line] = findSignatures(signatures, key);
  if (line === undefined) return null;
  const time = line.signature.subarray(0, TIME_BYTES).reduce((sum, byte) => sum * 256n + BigInt(byte), 0n);
  const message = concat(encodeText(`cosignature/v1\ntime ${time}\n`), text);
  const fits = await isSignedBy(key.publicKey, line.signature.subarray(TIME_BYTES), message);
  require(fits && time <= MAX_TIME, "cosignature_forged", { name: key.name });
  return time;
}
