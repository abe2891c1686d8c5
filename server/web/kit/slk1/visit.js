/**
 * One visit at the door as a state machine of whole messages, no I/O: a hello, one request, its
 * result, then the session's frames.
 */
import { isSame, join, utf8 } from "./bytes.js";
import { Malformed } from "./errors.js";
import {
  parseFirst,
  parseFrame,
  parseHello,
  writeReopen,
  writeRequest,
  writeSync,
} from "./frames.js";
import { Responder } from "./noise.js";

/** @typedef {import('./frames.js').Carried} Carried */
/** @typedef {import('./frames.js').Wish} Wish */

/** Lost notifications that the phone's side bridges (PROTOCOL 4). */
export const LOOKAHEAD = 16;

/** `hello` is what the locker said, `handshakeHash` what the line of an acceptance names. */
export class PhoneVisit {
  #noise;
  #transport = null;

  /** Use `begin`. */
  constructor(noise, hello) {
    this.#noise = noise;
    /** @type {import('./frames.js').Hello} */
    this.hello = hello;
    /** @type {Uint8Array} */
    this.handshakeHash = noise.handshakeHash;
  }

  /**
   * Malformed when the hello is not of this locker or not of this protocol.
   * @param {Uint8Array} message the hello as it was read
   * @param {{lid: Uint8Array, noisePublic: Uint8Array, ephemeral: CryptoKeyPair}} parties
   * @returns {Promise<PhoneVisit>}
   */
  static async begin(message, { lid, noisePublic, ephemeral }) {
    const noise = new Responder({ remoteStatic: noisePublic, ephemeral });
    const hello = parseHello(await noise.read(join(utf8("SLK1"), lid), message));
    if (!isSame(hello.lid, lid)) throw new Malformed("a hello of another locker");
    return new PhoneVisit(noise, hello);
  }

  /**
   * Message 2, once: the chain, the holder's proof, statements to bring.
   * @param {{chain: Uint8Array[], wish: Wish, statements?: Carried[]}} request
   * @param {import('./ed25519.js').Signer} signer
   * @returns {Promise<Uint8Array>}
   */
  async writeRequest(request, signer) {
    return this.writePayload(await writeRequest(this.handshakeHash, request, signer));
  }

  /**
   * Message 2, once, around a payload as it is, also one that no locker would accept.
   * @param {Uint8Array} payload
   * @returns {Promise<Uint8Array>}
   */
  async writePayload(payload) {
    const { message, transport } = await this.#noise.write(payload);
    this.#transport = transport;
    return message;
  }

  /**
   * Message 3, or a door event where the notification of message 3 was lost; Malformed for what
   * another phone was meant to read.
   * @param {Uint8Array} message
   * @returns {{report: import('./frames.js').Report, isEvent: boolean}}
   */
  readFirst(message) {
    return parseFirst(this.#open(message));
  }

  /**
   * A door event or a sync answer; Malformed for what is not of this session.
   * @param {Uint8Array} message
   * @returns {import('./frames.js').Report | import('./frames.js').EnvelopeFrame}
   */
  readFrame(message) {
    return parseFrame(this.#open(message));
  }

  /**
   * A frame that brings statements and takes an envelope of at most `maxBytes`.
   * @param {Carried[]} statements
   * @param {number} maxBytes
   * @returns {Uint8Array}
   */
  writeSync(statements, maxBytes) {
    return this.#session().sending.seal(writeSync(statements, maxBytes));
  }

  /**
   * A frame that asks for this session's door once more.
   * @param {number} comp
   * @returns {Uint8Array}
   */
  writeReopen(comp) {
    return this.#session().sending.seal(writeReopen(comp));
  }

  #open(message) {
    return this.#session().receiving.open(message, { ahead: LOOKAHEAD });
  }

  #session() {
    if (this.#transport === null) throw new TypeError("the request was not written yet");
    return this.#transport;
  }
}
