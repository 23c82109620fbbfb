// Signed notes and verifier keys with Ed25519, after https://c2sp.org/signed-note.
import { KEY_NAME, concat, decodeBase64, decodeText, encodeText, equal, sha256, toHex, trim } from "./bytes.js";
import { ProofError, require } from "./proof_error.js";
import { isWeakKey } from "./weak_keys.js";

const DASH = encodeText("— ");
const NEW_LINE = 0x0a;
const ALGORITHM = 0x01; // Ed25519, as numbered by the specification
const KEY_ID_BYTES = 4;
const SIGNATURE_BYTES = 64;
const KEY_BYTES = 32;

export async function computeKeyId(name, algorithm, publicKey) {
  const digest = await sha256(concat(encodeText(`${name}\n`), Uint8Array.of(algorithm), publicKey));
  return digest.subarray(0, KEY_ID_BYTES);
}

// Whether the signature belongs to the bytes. Throws a ProofError where the browser has no Ed25519.
export async function isSignedBy(publicKey, signature, bytes) {
  if (signature.length !== SIGNATURE_BYTES) return false;
  try {
    const key = await crypto.subtle.importKey("raw", publicKey, { name: "Ed25519" }, false, ["verify"]);
    return await crypto.subtle.verify({ name: "Ed25519" }, key, signature, bytes);
  } catch (error) {
    if (error.name === "DataError") return false; // the bytes are no key
    throw new ProofError("no_ed25519");
  }
}

// {name, keyId, publicKey, text} of `<name>+<key id>+<base64>`.
export async function parseVerifier(text) {
  const parts = trim(text).split("+");
  require(parts.length >= 3, "verifier_form");
  const [name, keyId] = parts;
  require(KEY_NAME.test(name), "verifier_name", { name });
  const raw = decodeBase64(parts.slice(2).join("+"));
  require(raw.length === 1 + KEY_BYTES && raw[0] === ALGORITHM, "verifier_key", { name });
  const publicKey = raw.subarray(1);
  const computed = await computeKeyId(name, ALGORITHM, publicKey);
  require(toHex(computed) === keyId, "verifier_key_id", { name });
  require(!isWeakKey(publicKey), "weak_key", { name });
  return { name, keyId: computed, publicKey };
}

// {text, signatures: [{name, keyId, signature}]} of a note. Nothing is verified here.
export function splitNote(note) {
  let end = note.length - 2;
  while (end >= 0 && !(note[end] === NEW_LINE && note[end + 1] === NEW_LINE)) end -= 1;
  require(end >= 0 && startsWith(note.subarray(end + 2), DASH), "note_unsigned");
  require(note.at(-1) === NEW_LINE, "note_end");
  const lines = split(note.subarray(end + 2, note.length - 1), NEW_LINE);
  return { text: note.subarray(0, end + 1), signatures: lines.map(parseSignature) };
}

function parseSignature(line) {
  require(startsWith(line, DASH), "note_dash");
  const rest = line.subarray(DASH.length);
  const space = rest.indexOf(0x20);
  const encoded = space < 0 ? new Uint8Array() : rest.subarray(space + 1);
  const blob = decodeBase64(decodeText(encoded));
  require(space >= 0 && blob.length > KEY_ID_BYTES, "note_line");
  const name = decodeText(rest.subarray(0, space));
  return { name, keyId: blob.subarray(0, KEY_ID_BYTES), signature: blob.subarray(KEY_ID_BYTES) };
}

// The signatures of a note that claim to be by this key.
export function findSignatures(signatures, key) {
  return signatures.filter((line) => line.name === key.name && equal(line.keyId, key.keyId));
}

// Signed text of a note. Throws a ProofError if the key's signature is missing or false.
export async function openNote(note, verifier) {
  const { text, signatures } = splitNote(note);
  const [line] = findSignatures(signatures, verifier);
  require(line !== undefined, "unsigned_by", { name: verifier.name, key: toHex(verifier.keyId) });
  require(await isSignedBy(verifier.publicKey, line.signature, text), "forged", { name: verifier.name });
  return text;
}

function startsWith(bytes, start) {
  return equal(bytes.subarray(0, start.length), start);
}

function split(bytes, separator) {
  const parts = [];
  let start = 0;
  for (let end = bytes.indexOf(separator); end >= 0; end = bytes.indexOf(separator, start)) {
    parts.push(bytes.subarray(start, end));
    start = end + 1;
  }
  return [...parts, bytes.subarray(start)];
}
