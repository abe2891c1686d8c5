/** Byte strings: joined, compared, and spelled in the alphabets that the API and a QR code use. */
import { Malformed } from "./errors.js";

const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

const encoder = new TextEncoder();

/**
 * The parts as one byte string.
 * @param {...Uint8Array} parts
 * @returns {Uint8Array}
 */
export function join(...parts) {
  const out = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/**
 * Below 0, 0 or above 0, as `a` stands before, at or after `b` in byte order.
 * Not for secrets: the time it takes tells where they differ.
 * @param {Uint8Array} a
 * @param {Uint8Array} b
 * @returns {number}
 */
export function compare(a, b) {
  const size = Math.min(a.length, b.length);
  for (let at = 0; at < size; at += 1) {
    if (a[at] !== b[at]) return a[at] - b[at];
  }
  return a.length - b.length;
}

/**
 * Whether these are the same bytes. Not for secrets.
 * @param {Uint8Array} a
 * @param {Uint8Array} b
 * @returns {boolean}
 */
export function isSame(a, b) {
  return compare(a, b) === 0;
}

/**
 * The UTF-8 bytes of a text without lone surrogates.
 * @param {string} text
 * @returns {Uint8Array}
 */
export function utf8(text) {
  return encoder.encode(text);
}

/**
 * @param {number} number an integer in 0..2^53-1
 * @param {number} size bytes, at most 8
 * @returns {Uint8Array} big endian
 */
export function bigEndian(number, size) {
  const out = new Uint8Array(8);
  new DataView(out.buffer).setBigUint64(0, BigInt(number));
  return out.slice(8 - size);
}

/**
 * Lower-case hexadecimal, two digits a byte.
 * @param {Uint8Array} data
 * @returns {string}
 */
export function asHex(data) {
  return Array.from(data, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/**
 * Base64 with padding, as the API's `Base64` has it.
 * @param {Uint8Array} data
 * @returns {string}
 */
export function asBase64(data) {
  return btoa(Array.from(data, (byte) => String.fromCharCode(byte)).join(""));
}

/**
 * The bytes of the one canonical base64; Malformed for anything else.
 * @param {unknown} text
 * @returns {Uint8Array}
 */
export function fromBase64(text) {
  if (typeof text !== "string" || !BASE64.test(text)) throw new Malformed("not base64");
  const data = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  if (asBase64(data) !== text) throw new Malformed("not the canonical base64 of its bytes");
  return data;
}

/**
 * Base64url without padding.
 * @param {Uint8Array} data
 * @returns {string}
 */
export function asBase64Url(data) {
  return asBase64(data).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/**
 * The bytes of canonical base64url without padding; Malformed for anything else.
 * @param {unknown} text
 * @returns {Uint8Array}
 */
export function fromBase64Url(text) {
  if (typeof text !== "string" || !/^[\w-]*$/.test(text)) throw new Malformed("not base64url");
  const plain = text.replaceAll("-", "+").replaceAll("_", "/");
  return fromBase64(plain + "=".repeat((4 - (plain.length % 4)) % 4));
}
