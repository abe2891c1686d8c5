/** Base45 (RFC 9285): bytes in the letters that a QR code packs tightest. */
import { Malformed } from "./errors.js";

const ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"; // s. 4
const BASE = ALPHABET.length;

/**
 * @param {Uint8Array} data
 * @returns {string}
 */
export function asBase45(data) {
  let out = "";
  for (let at = 0; at < data.length; at += 2) {
    const isPair = at + 1 < data.length;
    let number = isPair ? data[at] * 256 + data[at + 1] : data[at];
    for (let place = isPair ? 3 : 2; place > 0; place -= 1) {
      out += ALPHABET[number % BASE];
      number = Math.floor(number / BASE);
    }
  }
  return out;
}

/**
 * Malformed for other letters, a letter too many, and numbers beyond their bytes.
 * @param {string} text
 * @returns {Uint8Array}
 */
export function fromBase45(text) {
  if (text.length % 3 === 1) throw new Malformed("not base45");
  const out = [];
  for (let at = 0; at < text.length; at += 3) {
    const digits = Array.from(text.slice(at, at + 3), (letter) => ALPHABET.indexOf(letter));
    const number = digits.reduceRight((sum, digit) => sum * BASE + digit, 0);
    if (digits.includes(-1) || number >= 256 ** (digits.length - 1))
      throw new Malformed("not base45");
    if (digits.length === 3) out.push(number >> 8);
    out.push(number & 0xff);
  }
  return Uint8Array.from(out);
}
