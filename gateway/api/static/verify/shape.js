// Types of parsed JSON. A type throws a ProofError with the path of a value that does not fit it.
import { require } from "./proof_error.js";

const check = (condition, path) => require(condition, "shape", { path });

export const text = (value, path) => check(typeof value === "string", path);
export const pattern = (expression) => (value, path) => check(typeof value === "string" && expression.test(value), path);
export const oneOf = (...values) => (value, path) => check(values.includes(value), path);
export const boolean = oneOf(true, false);
export const number = (value, path) => check(typeof value === "bigint" || Number.isFinite(value), path);
export const integer = (low, high) => (value, path) => check(typeof value === "bigint" && value >= low && value <= high, path);
export const nullable = (type) => (value, path) => value === null || type(value, path);

export const list = (type, { min = 0, max = Infinity } = {}) => (value, path) => {
  check(Array.isArray(value) && value.length >= min && value.length <= max, path);
  value.forEach((item, index) => type(item, `${path}[${index}]`));
};

export const tuple = (...types) => (value, path) => {
  check(Array.isArray(value) && value.length === types.length, path);
  types.forEach((type, index) => type(value[index], `${path}[${index}]`));
};

// An object with values of one type under any names.
export const dictionary = (type, { min = 0, max = Infinity } = {}) => (value, path) => {
  check(isObject(value), path);
  const names = Object.keys(value);
  check(names.length >= min && names.length <= max, path);
  for (const name of names) type(value[name], `${path}.${name}`);
};

// An object with these fields; those of `optional` may be absent. Others are a fault if the object is `closed`.
export const record = (required, optional = {}, { closed = false } = {}) => (value, path) => {
  check(isObject(value), path);
  for (const [name, type] of Object.entries(required)) {
    check(name in value, `${path}.${name}`);
    type(value[name], `${path}.${name}`);
  }
  for (const [name, type] of Object.entries(optional)) if (name in value) type(value[name], `${path}.${name}`);
  if (closed) for (const name of Object.keys(value)) check(Object.hasOwn(required, name) || Object.hasOwn(optional, name), `${path}.${name}`);
};

function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
