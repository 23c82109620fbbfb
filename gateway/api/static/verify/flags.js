// Quality flags of a value. `flags` is what the page got from the server: {names: {warm_up: 1, ...}, excluded: bits}.

// Names of the bits, from the lowest on; a bit without a name is its number.
export function nameFlags(flags, bits) {
  const names = new Map(Object.entries(flags.names).map(([name, bit]) => [BigInt(bit), name]));
  const result = [];
  for (let bit = 1n; bit <= bits; bit *= 2n) if (bits & bit) result.push(names.get(bit) ?? String(bit));
  return result;
}

// Whether a value with flags of these names counts nowhere.
export function isExcluded(flags, names) {
  return names.some((name) => (flags.names[name] & flags.excluded) !== 0);
}
