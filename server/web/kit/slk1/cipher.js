/** One direction of ChaCha20-Poly1305 with a counter as nonce (Noise s. 5.1 and 12.3). */
import { chacha20poly1305 } from "../../vendor/chacha.js";
import { Malformed } from "./errors.js";

export const TAG_SIZE = 16;

const NONCE_SIZE = 12;
const NO_DATA = new Uint8Array(0);

/** `seal` never uses a number twice; `open` counts only what it could open. */
export class Cipher {
  #key;
  #number = 0;

  /** @param {Uint8Array} key 32 bytes */
  constructor(key) {
    this.#key = key;
  }

  /**
   * The next message of this direction.
   * @param {Uint8Array} plaintext
   * @param {Uint8Array} [associated]
   * @returns {Uint8Array}
   */
  seal(plaintext, associated = NO_DATA) {
    const number = this.#number;
    this.#number += 1;
    return chacha20poly1305(this.#key, nonce(number), associated).encrypt(plaintext);
  }

  /**
   * The plaintext of one of the next `ahead` messages; Malformed if it is none of them. Messages
   * that were skipped can no longer be opened afterwards.
   * @param {Uint8Array} sealed
   * @param {{associated?: Uint8Array, ahead?: number}} [how]
   * @returns {Uint8Array}
   */
  open(sealed, { associated = NO_DATA, ahead = 1 } = {}) {
    if (sealed.length < TAG_SIZE) throw new Malformed("a message shorter than its tag");
    for (let number = this.#number; number < this.#number + ahead; number += 1) {
      const plaintext = this.#openAs(number, sealed, associated);
      if (plaintext !== null) {
        this.#number = number + 1;
        return plaintext;
      }
    }
    throw new Malformed("a message that does not open");
  }

  #openAs(number, sealed, associated) {
    const cipher = chacha20poly1305(this.#key, nonce(number), associated);
    try {
      return cipher.decrypt(sealed);
    } catch {
      // The library knows one reason to refuse bytes of this type and length: a wrong tag.
      return null;
    }
  }
}

function nonce(number) {
  const out = new Uint8Array(NONCE_SIZE);
  new DataView(out.buffer).setBigUint64(4, BigInt(number), true);
  return out;
}
