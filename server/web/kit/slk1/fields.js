/** Typed fields out of decoded values: every wrong type or length is Malformed. */
import { Malformed } from "./errors.js";

/** @typedef {import('./codec.js').Value} Value */

/** Times, counters and sequence numbers stay below this (PROTOCOL 1). */
export const LIMIT = 2 ** 53;

/** Compartment numbers are 0..255 (PROTOCOL 1). */
export const COMPARTMENTS = 256;

/** Bytes of a locker id, a stay and a `cti` (PROTOCOL 1). */
export const ID_SIZE = 8;

/**
 * @param {Value} value
 * @param {number} [size] exactly so many items
 * @returns {Value[]}
 */
export function asArray(value, size) {
  if (!Array.isArray(value) || (size !== undefined && value.length !== size)) {
    throw new Malformed(`expected an array${size === undefined ? "" : ` of ${size}`}`);
  }
  return value;
}

/**
 * @param {Value} value
 * @param {number[]} [keys] exactly these keys
 * @returns {Map<number, Value>}
 */
export function asMap(value, keys) {
  if (!(value instanceof Map)) throw new Malformed("expected a map");
  if (keys && !(value.size === keys.length && keys.every((key) => value.has(key)))) {
    throw new Malformed(`expected a map with the keys ${keys.join(", ")} and no others`);
  }
  return value;
}

/**
 * @param {Value} value
 * @param {number} [below]
 * @returns {number} an integer in 0..below-1
 */
export function asUint(value, below = LIMIT) {
  if (typeof value !== "number" || value < 0 || value >= below) {
    throw new Malformed(`expected an integer from 0 to ${below - 1}`);
  }
  return value;
}

/**
 * @param {Value} value
 * @param {number} [size] exactly so many bytes
 * @returns {Uint8Array}
 */
export function asBytes(value, size) {
  if (!(value instanceof Uint8Array) || (size !== undefined && value.length !== size)) {
    throw new Malformed(`expected ${size === undefined ? "" : `${size} `}bytes`);
  }
  return value;
}

/**
 * @param {Value} value
 * @returns {string}
 */
export function asText(value) {
  if (typeof value !== "string") throw new Malformed("expected text");
  return value;
}

/**
 * @param {Value} value
 * @returns {boolean}
 */
export function asFlag(value) {
  if (typeof value !== "boolean") throw new Malformed("expected true or false");
  return value;
}

/**
 * @param {Value} value
 * @returns {number}
 */
export function asCompartment(value) {
  return asUint(value, COMPARTMENTS);
}

/**
 * @template T
 * @param {Value} value
 * @param {(value: Value) => T} read
 * @returns {T | null} null stays null
 */
export function asOptional(value, read) {
  return value === null ? null : read(value);
}
