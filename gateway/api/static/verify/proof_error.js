// Why something of the log cannot be believed.

// `code` names a text of the catalogue (context `verify`), and `values` fill its placeholders.
export class ProofError extends Error {
  constructor(code, values = {}) {
    super(code);
    this.code = code;
    this.values = values;
  }
}

export function require(condition, code, values = {}) {
  if (!condition) throw new ProofError(code, values);
}
