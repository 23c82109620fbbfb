// Bytes and the texts that stand for them: strict UTF-8, strict base64, hexadecimal, SHA-256.
import { ProofError, require } from "./proof_error.js";

// The white space of Python's `str`, which differs from that of JavaScript's `\s`.
const SPACE = "\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";
const EDGES = new RegExp(`^[${SPACE}]+|[${SPACE}]+$`, "g");
const GAPS = new RegExp(`[${SPACE}]+`);

export const KEY_NAME = new RegExp(`^[^${SPACE}+]+$`);
export const trim = (text) => text.replace(EDGES, "");
export const splitWords = (text) => (trim(text) === "" ? [] : trim(text).split(GAPS));

export const encodeText = (text) => new TextEncoder().encode(text);

// Text of UTF-8 bytes; a byte order mark stays a character. Throws a ProofError for other bytes.
export function decodeText(bytes) {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new ProofError("not_text");
  }
}

export function concat(...parts) {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let position = 0;
  for (const part of parts) {
    whole.set(part, position);
    position += part.length;
  }
  return whole;
}

export function equal(left, right) {
  return left.length === right.length && left.every((byte, index) => byte === right[index]);
}

// Throws a ProofError on a page without https: the browser hides its cryptography there.
export async function sha256(bytes) {
  require(globalThis.crypto?.subtle !== undefined, "no_crypto");
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
}
export const toHex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
export const fromHex = (text) => Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));

export function encodeBase64(bytes) {
  let binary = "";
  for (let start = 0; start < bytes.length; start += 8192) binary += String.fromCharCode(...bytes.subarray(start, start + 8192));
  return btoa(binary);
}

// Bytes of base64 that is written in its only form. Throws a ProofError otherwise.
export function decodeBase64(text) {
  require(/^[A-Za-z0-9+/]*={0,2}$/.test(text) && text.length % 4 === 0, "base64");
  let binary;
  try {
    binary = atob(text);
  } catch {
    throw new ProofError("base64");
  }
  require(btoa(binary) === text, "base64_form"); // bits beyond the last byte would let one signature have several forms
  return Uint8Array.from(binary, (character) => character.charCodeAt(0));
}
