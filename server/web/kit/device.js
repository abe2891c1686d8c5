/** This device's key: made here, never leaves the browser, and signs for whoever is signed in. */

import { find, keepFirst } from "./store.js";

const KEY = "device-key";

/**
 * The device's key pair; made at the first call. The private half cannot be exported.
 * Throws NotSupportedError where the browser has no Ed25519.
 * @returns {Promise<CryptoKeyPair>}
 */
export async function deviceKey() {
  const kept = await find(KEY);
  if (kept) return kept;
  const made = await crypto.subtle.generateKey({ name: "Ed25519" }, false, ["sign", "verify"]);
  // A browser that is short of space forgets who did not ask: then the device has to sign in anew.
  await navigator.storage?.persist?.();
  return keepFirst(KEY, made);
}

/** @returns {Promise<Uint8Array>} 32 bytes */
export async function devicePublic() {
  const { publicKey } = await deviceKey();
  return new Uint8Array(await crypto.subtle.exportKey("raw", publicKey));
}

/**
 * @param {Uint8Array} message
 * @returns {Promise<Uint8Array>} 64 bytes of Ed25519
 */
export async function deviceSign(message) {
  const { privateKey } = await deviceKey();
  return new Uint8Array(await crypto.subtle.sign("Ed25519", privateKey, message));
}
