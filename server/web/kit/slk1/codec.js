/**
 * The strict deterministic subset of CBOR (RFC 8949 s. 4.2.1) in which every SLK1 byte is written.
 * One value has one encoding; the decoder refuses whatever the encoder could not have written.
 *
 * Integers are numbers where these are exact, and BigInt beyond; maps are `Map`, and members of
 * containers are values too.
 * @typedef {number | bigint} Integer
 * @typedef {Integer | Uint8Array | string | boolean | null | any[] | Map<Integer, any>} Value
 */
import { compare, join, utf8 } from "./bytes.js";
import { Malformed } from "./errors.js";

/** Arrays and maps inside one another (PROTOCOL 1). */
export const MAX_DEPTH = 8;

const UNSIGNED = 0;
const NEGATIVE = 1;
const BYTES = 2;
const TEXT = 3;
const ARRAY = 4;
const MAP = 5;

const SIMPLE = new Map([
  [0xf4, false],
  [0xf5, true],
  [0xf6, null],
]);
const ONE_BYTE_LIMIT = 24;

/**
 * The only encoding of `value`; Malformed when the subset cannot express it.
 * @param {Value} value
 * @returns {Uint8Array}
 */
export function encode(value) {
  /** @type {Uint8Array[]} */
  const out = [];
  write(out, value, 0);
  return join(...out);
}

/**
 * The value of exactly these bytes; Malformed on anything `encode` would not have written.
 * @param {Uint8Array} data
 * @returns {Value}
 */
export function decode(data) {
  const reader = new Reader(data);
  const value = reader.value(0);
  if (reader.at !== data.length) throw new Malformed("bytes after the value");
  return value;
}

function head(major, argument) {
  if (argument < ONE_BYTE_LIMIT) return Uint8Array.of((major << 5) | Number(argument));
  const code = [1, 2, 4, 8].findIndex((size) => argument < 1n << BigInt(8 * size));
  if (code < 0) throw new Malformed("an integer of more than 64 bits");
  const out = new Uint8Array(9);
  new DataView(out.buffer).setBigUint64(1, BigInt(argument));
  const size = 1 << code;
  out[8 - size] = (major << 5) | (ONE_BYTE_LIMIT + code);
  return out.slice(8 - size);
}

function write(out, value, depth) {
  if (value === null) out.push(Uint8Array.of(0xf6));
  else if (typeof value === "boolean") out.push(Uint8Array.of(value ? 0xf5 : 0xf4));
  else if (isInteger(value)) out.push(integer(value));
  else if (typeof value === "string") writeText(out, value);
  else if (value instanceof Uint8Array) out.push(head(BYTES, value.length), value);
  else if (Array.isArray(value) || value instanceof Map) writeContainer(out, value, depth + 1);
  else throw new Malformed(`${typeof value} has no encoding`);
}

function isInteger(value) {
  return typeof value === "bigint" || (typeof value === "number" && Number.isSafeInteger(value));
}

function integer(value) {
  return value >= 0 ? head(UNSIGNED, value) : head(NEGATIVE, -1n - BigInt(value));
}

function writeText(out, value) {
  if (/\p{Surrogate}/u.test(value)) throw new Malformed("text that is not valid Unicode");
  const raw = utf8(value);
  out.push(head(TEXT, raw.length), raw);
}

function writeContainer(out, value, depth) {
  if (depth > MAX_DEPTH) throw new Malformed("too many arrays and maps inside one another");
  if (Array.isArray(value)) {
    out.push(head(ARRAY, value.length));
    for (const item of value) write(out, item, depth);
    return;
  }
  if (![...value.keys()].every(isInteger)) throw new Malformed("a map key that is not an integer");
  const entries = Array.from(value, ([key, item]) => ({ raw: integer(key), item }));
  entries.sort((one, other) => compare(one.raw, other.raw));
  out.push(head(MAP, entries.length));
  entries.forEach(({ raw, item }, at) => {
    if (at > 0 && compare(entries[at - 1].raw, raw) === 0) throw new Malformed("a map key twice");
    out.push(raw);
    write(out, item, depth);
  });
}

/** A position in the bytes; every step either advances or throws Malformed. */
class Reader {
  constructor(data) {
    this.data = data;
    this.at = 0;
  }

  value(depth) {
    const first = this.take(1)[0];
    const major = first >> 5;
    if (major > MAP) {
      if (!SIMPLE.has(first)) throw new Malformed("a tag, a float or an unknown simple value");
      return SIMPLE.get(first);
    }
    const argument = this.argument(first & 31);
    if (major === UNSIGNED) return argument;
    if (major === NEGATIVE) return exact(-1n - BigInt(argument));
    // Each byte, and each member of a container, needs a byte at least: no count makes us work.
    if (argument > this.data.length - this.at) throw new Malformed("a length beyond the end");
    if (major === BYTES) return this.take(argument);
    if (major === TEXT) return this.text(argument);
    return this.container(major, argument, depth + 1);
  }

  take(size) {
    if (size > this.data.length - this.at) throw new Malformed("the bytes end inside a value");
    this.at += size;
    return this.data.slice(this.at - size, this.at);
  }

  argument(code) {
    if (code < ONE_BYTE_LIMIT) return code;
    if (code > 27) throw new Malformed("an indefinite length or a reserved head");
    const size = 1 << (code - ONE_BYTE_LIMIT);
    const argument = this.take(size).reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
    const least = size === 1 ? BigInt(ONE_BYTE_LIMIT) : 1n << BigInt(4 * size);
    if (argument < least) throw new Malformed("not the shortest form of an integer");
    return exact(argument);
  }

  text(size) {
    try {
      return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(this.take(size));
    } catch (cause) {
      throw new Malformed("text that is not UTF-8", { cause });
    }
  }

  container(major, count, depth) {
    if (depth > MAX_DEPTH) throw new Malformed("too many arrays and maps inside one another");
    if (major === ARRAY) return Array.from({ length: count }, () => this.value(depth));
    return this.map(count, depth);
  }

  map(count, depth) {
    const found = new Map();
    let former = new Uint8Array(0);
    for (let left = count; left > 0; left -= 1) {
      const start = this.at;
      const key = this.value(depth);
      const raw = this.data.slice(start, this.at);
      if (!isInteger(key)) throw new Malformed("a map key that is not an integer");
      if (compare(raw, former) <= 0) throw new Malformed("map keys out of order or twice");
      former = raw;
      found.set(key, this.value(depth));
    }
    return found;
  }
}

function exact(number) {
  const small = Number(number);
  return Number.isSafeInteger(small) ? small : number;
}
