/** The way in without a radio that a phone can show: a token's QR code, bound to this minute. */
import { asBase45, fromBase45 } from "./base45.js";
import { bigEndian, join, utf8 } from "./bytes.js";
import { SIGNATURE_SIZE, sign, verify } from "./ed25519.js";
import { Malformed } from "./errors.js";
import { parseToken } from "./tokens.js";

/** Seconds for which one code is shown; the locker takes the neighbouring ones too (PROTOCOL 9). */
export const QR_STEP_S = 60;

const PREFIX = "SLK1:";
const STEP_SIZE = 4;
const MAX_TEXT = 2048;

/**
 * @typedef {object} ShownToken
 * @property {import('./tokens.js').Token} token
 * @property {number} step the minute for which its holder signed it, Unix seconds / 60
 * @property {Uint8Array} signature
 */

/**
 * The text of the QR code for the minute of `now`.
 * @param {Uint8Array} token
 * @param {import('./ed25519.js').Signer} signer of the token's holder: no delegation goes this way
 * @param {number} now Unix seconds
 * @returns {Promise<string>}
 */
export async function showToken(token, signer, now) {
  const step = Math.floor(now / QR_STEP_S);
  const signature = await sign(signer, proofMessage(step, token));
  return PREFIX + asBase45(join(token, signature, bigEndian(step, STEP_SIZE)));
}

/**
 * The token in a scanned text; Malformed unless it is exactly of this form.
 * @param {string} text
 * @returns {ShownToken}
 */
export function parseShownToken(text) {
  if (!text.startsWith(PREFIX) || text.length > MAX_TEXT) {
    throw new Malformed("not the code of an unlock token");
  }
  const data = fromBase45(text.slice(PREFIX.length));
  const size = data.length - SIGNATURE_SIZE - STEP_SIZE;
  if (size <= 0) throw new Malformed("a code that is too short");
  const step = new DataView(data.buffer).getUint32(data.length - STEP_SIZE);
  const signature = data.slice(size, -STEP_SIZE);
  return Object.freeze({ token: parseToken(data.slice(0, size)), step, signature });
}

/**
 * Whether the holder signed the minute of `now` or a neighbouring one.
 * @param {ShownToken} shown
 * @param {number} now Unix seconds
 * @returns {Promise<boolean>}
 */
export async function isProvedAt({ token, step, signature }, now) {
  if (Math.abs(Math.floor(now / QR_STEP_S) - step) > 1) return false;
  return verify(token.claims.holder, proofMessage(step, token.raw), signature);
}

function proofMessage(step, token) {
  return join(utf8("SLK1-qr"), bigEndian(step, STEP_SIZE), token);
}
