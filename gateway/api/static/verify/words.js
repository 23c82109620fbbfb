// Texts of the page with their placeholders filled in.
import { ProofError } from "./proof_error.js";

export function fill(text, values) {
  return text.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));
}

const FIGURES = new Set(["claimed", "signed", "published", "shown"]);

// Why a step is wrong or was not checked. A reason may lie within another: line 3 of the trust list: ...
export function explainReason(words, { code, values }) {
  const describe = (name, value) => {
    if (value instanceof ProofError) return explainReason(words, value);
    return FIGURES.has(name) ? String(value).replace(".", words.decimal) : value;
  };
  const texts = Object.entries(values).map(([name, value]) => [name, describe(name, value)]);
  return fill(words[code] ?? code, Object.fromEntries(texts));
}

export function asSentence(text) {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? "" : "."}`;
}
