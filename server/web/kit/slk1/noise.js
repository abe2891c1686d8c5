/**
 * `Noise_KN_25519_ChaChaPoly_SHA256` (Noise revision 34), the responder's side, without I/O. The
 * locker is the initiator with the static key that the phone knows; the phone is anonymous.
 */
import { join, utf8 } from "./bytes.js";
import { Cipher } from "./cipher.js";
import { hkdf, sha256 } from "./digest.js";
import { Malformed } from "./errors.js";

export const KEY_SIZE = 32;

const PROTOCOL_NAME = utf8("Noise_KN_25519_ChaChaPoly_SHA256"); // 32 bytes: h starts as the name

/**
 * What a finished handshake leaves.
 * @typedef {object} Transport
 * @property {Cipher} sending
 * @property {Cipher} receiving
 */

/**
 * A key pair for one handshake; its private half never leaves WebCrypto.
 * @returns {Promise<CryptoKeyPair>}
 */
export function makeEphemeral() {
  return crypto.subtle.generateKey("X25519", false, ["deriveBits"]);
}

/**
 * The phone's side. `read` and `write` are each called once, in this order: two sessions out of
 * one handshake would seal different messages under the same key and number.
 */
export class Responder {
  #remoteStatic;
  #ephemeral;
  #own = new Uint8Array(0);
  #h = PROTOCOL_NAME;
  #chainingKey = PROTOCOL_NAME;
  #key = null;
  #step = "read";

  /**
   * @param {{remoteStatic: Uint8Array, ephemeral: CryptoKeyPair}} keys
   */
  constructor({ remoteStatic, ephemeral }) {
    this.#remoteStatic = remoteStatic;
    this.#ephemeral = ephemeral;
  }

  /**
   * The clear payload of message 1; Malformed when it is too short or of low order. Mixes the keys
   * too, so that `handshakeHash` is ready before the request is written.
   * @param {Uint8Array} prologue
   * @param {Uint8Array} message
   * @returns {Promise<Uint8Array>}
   */
  async read(prologue, message) {
    this.#enter("read", "write");
    if (message.length < KEY_SIZE) throw new Malformed("a handshake message too short");
    const remote = message.slice(0, KEY_SIZE);
    const payload = message.slice(KEY_SIZE);
    const { publicKey, privateKey } = this.#ephemeral;
    this.#own = new Uint8Array(await crypto.subtle.exportKey("raw", publicKey));
    for (const data of [prologue, this.#remoteStatic, remote, payload, this.#own]) {
      await this.#mixHash(data);
    }
    await this.#mixKey(await agree(privateKey, remote));
    await this.#mixKey(await agree(privateKey, this.#remoteStatic));
    return payload;
  }

  /**
   * `h` of PROTOCOL 4, over which the holder signs.
   * @returns {Uint8Array}
   */
  get handshakeHash() {
    return this.#h;
  }

  /**
   * Message 2 and the session that it begins.
   * @param {Uint8Array} payload
   * @returns {Promise<{message: Uint8Array, transport: Transport}>}
   */
  async write(payload) {
    this.#enter("write", "done");
    const sealed = new Cipher(this.#key).seal(payload, this.#h);
    const [first, second] = await hkdf(this.#chainingKey, new Uint8Array(0));
    const transport = { receiving: new Cipher(first), sending: new Cipher(second) };
    return { message: join(this.#own, sealed), transport };
  }

  #enter(step, next) {
    if (this.#step !== step) throw new TypeError("a handshake is read once, then written once");
    this.#step = next;
  }

  async #mixHash(data) {
    this.#h = await sha256(this.#h, data);
  }

  async #mixKey(material) {
    [this.#chainingKey, this.#key] = await hkdf(this.#chainingKey, material);
  }
}

/** X25519; Malformed when the result is all zero, that is for a public key of low order. */
async function agree(privateKey, remote) {
  let shared;
  try {
    const key = await crypto.subtle.importKey("raw", remote, "X25519", false, []);
    const bits = await crypto.subtle.deriveBits({ name: "X25519", public: key }, privateKey, 256);
    shared = new Uint8Array(bits);
  } catch (cause) {
    if (!(cause instanceof DOMException)) throw cause;
    throw new Malformed("a public key of low order or wrong length", { cause });
  }
  if (shared.every((byte) => byte === 0)) throw new Malformed("a public key of low order");
  return shared;
}
