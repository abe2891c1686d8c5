/** SHA-256 and HMAC-SHA256 by WebCrypto. */
import { join } from "./bytes.js";

const HMAC = { name: "HMAC", hash: "SHA-256" };

/**
 * SHA-256 of the parts put together.
 * @param {...Uint8Array} parts
 * @returns {Promise<Uint8Array>}
 */
export async function sha256(...parts) {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", join(...parts)));
}

/**
 * HKDF with two outputs of 32 bytes, as Noise (s. 4.3) uses it.
 * @param {Uint8Array} chainingKey
 * @param {Uint8Array} material
 * @returns {Promise<[Uint8Array, Uint8Array]>}
 */
export async function hkdf(chainingKey, material) {
  const seed = await hmac(chainingKey, material);
  const first = await hmac(seed, Uint8Array.of(1));
  return [first, await hmac(seed, join(first, Uint8Array.of(2)))];
}

async function hmac(key, message) {
  const held = await crypto.subtle.importKey("raw", key, HMAC, false, ["sign"]);
  return new Uint8Array(await crypto.subtle.sign("HMAC", held, message));
}
