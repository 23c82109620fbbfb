// ReadingBatch: readings of one node in columns, as edge_agent/wire.py reads them. Unknown fields are tolerated.
import { decodeText } from "./bytes.js";
import { readJson } from "./json.js";
import { require } from "./proof_error.js";
import { boolean, dictionary, integer, list, number, nullable, oneOf, pattern, record, tuple } from "./shape.js";

const MAX_READINGS = 100_000;
const milliseconds = integer(-(2n ** 52n), 2n ** 52n);
const PROPERTY = /^[a-z][a-z0-9_]{0,31}$/;

const BATCH = record(
  {
    v: oneOf(1n),
    node: pattern(/^[a-z0-9][a-z0-9-]{0,62}$/),
    inc: pattern(/^[a-z2-7]{12}$/),
    seq: integer(1n, 2n ** 62n - 1n),
    boot: pattern(/^[!-~]{1,64}$/),
    t0: milliseconds,
    dt: list(milliseconds, { min: 1, max: MAX_READINGS }),
    values: dictionary(list(nullable(number)), { min: 1, max: 64 }),
  },
  {
    mono: milliseconds,
    clock: oneOf("synced", "unsynced", "stepped"),
    hist: boolean,
    flags: dictionary(list(integer(0n, 2n ** 31n - 1n))),
    pos: nullable(list(tuple(number, number, number))),
  },
);

// The batch of a signed text. Throws a ProofError with the path of what breaks the contract.
export function readBatch(bytes) {
  const batch = readJson(decodeText(bytes));
  BATCH(batch, "$");
  batch.flags ??= Object.create(null);
  const readings = batch.dt.length;
  for (const [name, values] of Object.entries(batch.values)) {
    require(PROPERTY.test(name) && values.length === readings, "shape", { path: `$.values.${name}` });
  }
  for (const [name, flags] of Object.entries(batch.flags)) {
    require(name in batch.values && flags.length === readings, "shape", { path: `$.flags.${name}` });
  }
  require(!batch.pos?.length || batch.pos.length === readings, "shape", { path: "$.pos" });
  return batch;
}

// Readings of a property at a time (ms since 1970, BigInt): [{value: Number or null, flags: BigInt}].
export function findReadings(batch, property, at) {
  const values = batch.values[property] ?? [];
  return values.flatMap((value, index) => {
    if (batch.t0 + batch.dt[index] !== at) return [];
    return [{ value: value === null ? null : Number(value), flags: batch.flags[property]?.[index] ?? 0n }];
  });
}
