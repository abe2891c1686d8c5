/** What a phone needs of a locker's journal: whether the locker vouches for a line of it. */
import { bigEndian, join, utf8 } from "./bytes.js";
import { sha256 } from "./digest.js";
import { verify } from "./ed25519.js";

export const HEAD_SIZE = 32;

/**
 * The head of the chain after this entry (PROTOCOL 8).
 * @param {Uint8Array} entry
 * @returns {Promise<Uint8Array>}
 */
export function entryHead(entry) {
  return sha256(utf8("SLK1-log"), entry);
}

/**
 * Whether the locker of this signing key vouches for `head` at `seq`.
 * @param {Uint8Array} publicKey
 * @param {{lid: Uint8Array, seq: number, head: Uint8Array, signature: Uint8Array}} line
 * @returns {Promise<boolean>}
 */
export function verifyHead(publicKey, { lid, seq, head, signature }) {
  return verify(publicKey, join(utf8("SLK1-head"), lid, bigEndian(seq, 8), head), signature);
}
