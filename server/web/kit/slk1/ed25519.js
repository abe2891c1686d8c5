/**
 * Ed25519: signing through a port, verifying under libsodium's rules (PROTOCOL 1).
 *
 * A `Signer` is a CryptoKey that need not be extractable, or a function from bytes to signature.
 * @typedef {CryptoKey | ((message: Uint8Array) => Promise<Uint8Array | ArrayBuffer>)} Signer
 */
import { asHex } from "./bytes.js";

export const SIGNATURE_SIZE = 64;
export const PUBLIC_KEY_SIZE = 32;

/**
 * Encodings of the points of small order, without the sign bit (libsodium, ed25519_ref10.c). Some
 * engines take them as keys, and then one signature holds for every message.
 */
const SMALL_ORDER = new Set([
  "0000000000000000000000000000000000000000000000000000000000000000",
  "0100000000000000000000000000000000000000000000000000000000000000",
  "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
  "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
  "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
]);

/**
 * The signature (64 bytes) of `message`.
 * @param {Signer} signer
 * @param {Uint8Array} message
 * @returns {Promise<Uint8Array>}
 */
export async function sign(signer, message) {
  const made =
    typeof signer === "function"
      ? await signer(message)
      : await crypto.subtle.sign("Ed25519", signer, message);
  const signature = new Uint8Array(made);
  if (signature.length !== SIGNATURE_SIZE) throw new TypeError("a signer must give 64 bytes");
  return signature;
}

/**
 * Whether the signature holds; false, never an exception, for hostile keys and signatures.
 * @param {Uint8Array} publicKey
 * @param {Uint8Array} message
 * @param {Uint8Array} signature
 * @returns {Promise<boolean>}
 */
export async function verify(publicKey, message, signature) {
  if (publicKey.length !== PUBLIC_KEY_SIZE || signature.length !== SIGNATURE_SIZE) return false;
  if (isSmall(publicKey) || isSmall(signature.slice(0, 32)) || !isReduced(publicKey)) return false;
  try {
    const key = await crypto.subtle.importKey("raw", publicKey, "Ed25519", false, ["verify"]);
    return await crypto.subtle.verify("Ed25519", key, signature, message);
  } catch (error) {
    // WebCrypto reports a key that is no point by a DOMException; anything else is our mistake.
    if (error instanceof DOMException) return false;
    throw error;
  }
}

/**
 * The 32 bytes of a public CryptoKey, which is always extractable.
 * @param {CryptoKey} key
 * @returns {Promise<Uint8Array>}
 */
export async function publicBytes(key) {
  return new Uint8Array(await crypto.subtle.exportKey("raw", key));
}

function isSmall(point) {
  const bare = point.slice();
  bare[31] &= 0x7f;
  return SMALL_ORDER.has(asHex(bare));
}

/** Whether the y coordinate is below the prime 2^255 - 19. */
function isReduced(point) {
  const isTop = (point[31] & 0x7f) === 0x7f && point.slice(1, 31).every((byte) => byte === 0xff);
  return !isTop || point[0] < 0xed;
}
