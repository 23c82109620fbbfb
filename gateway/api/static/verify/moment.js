// Times as RFC 3339 text in UTC.
import { require } from "./proof_error.js";

const FORM = /^([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]{1,6}))?Z$/;

// Microseconds since 1970 as a BigInt. Throws a ProofError for a day or an hour that does not exist.
export function parseMoment(text) {
  const match = FORM.exec(text);
  const seconds = match === null ? NaN : Date.parse(`${match[1]}.000Z`);
  const exists = !Number.isNaN(seconds) && new Date(seconds).toISOString().startsWith(match[1]);
  require(exists, "moment", { text: text.slice(0, 60) });
  return BigInt(seconds) * 1000n + BigInt((match[2] ?? "").padEnd(6, "0"));
}

// RFC 3339 text of milliseconds since 1970, or the number itself if no calendar has such a day.
export function formatMoment(ms) {
  const date = new Date(Number(ms));
  return Number.isNaN(date.getTime()) ? String(ms) : date.toISOString();
}
