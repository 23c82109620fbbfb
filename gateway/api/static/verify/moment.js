// Times as RFC 3339 text in UTC.
import { require } from "./proof_error.js";

const FORM = /^((?!0000)[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]{3})(?:[0-9]{3})?)?Z$/;

// Milliseconds since 1970 as a BigInt; parts of one are dropped. Throws a ProofError for a day or hour that does not exist.
export function parseMoment(text) {
  const match = FORM.exec(text);
  const seconds = match === null ? NaN : Date.parse(`${match[1]}.000Z`);
  const exists = !Number.isNaN(seconds) && new Date(seconds).toISOString().startsWith(match[1]);
  require(exists, "moment", { text: text.slice(0, 60) });
  return BigInt(seconds) + BigInt(match[2] ?? "0");
}

// RFC 3339 text of milliseconds since 1970, or the number itself if no calendar has such a day.
export function formatMoment(ms) {
  const date = new Date(Number(ms));
  return Number.isNaN(date.getTime()) ? String(ms) : date.toISOString();
}
