/**
 * One connection from a phone to one locker: whole messages over the three characteristics. Knows
 * fragments, refuses to know what is in the messages.
 *
 * The port to the radio; `read` and `write` throw Refused or Lost, and are called one at a time.
 * @typedef {object} Transport
 * @property {number} fragmentSize bytes of the longest fragment to write, header included
 * @property {(name: 'hello' | 'result') => Promise<Uint8Array>} read the whole value, from offset 0
 * @property {(fragment: Uint8Array) => Promise<void>} write to the command, with response
 * @property {(listener: (fragment: Uint8Array) => void) => void} onNotify
 * @property {(listener: () => void) => void} onGone called once the connection has ended
 * @property {() => Promise<void>} close twice is harmless
 */
import { isSame } from "./bytes.js";
import { Lost, Silent } from "./errors.js";
import { Reassembler, split } from "./gatt.js";

/** Fragments kept for a caller who does not receive; what exceeds them is dropped. */
const MOST_UNREAD = 256;

/** Whole messages over a transport. One caller at a time. */
export class PhoneLink {
  #transport;
  #clock;
  #reassembler = new Reassembler();
  #heard = [];
  #last = new Uint8Array(0);
  #isGone = false;
  #wake = () => {};

  /**
   * @param {Transport} transport connected and subscribed
   * @param {{clock?: () => number}} [options] monotonic milliseconds
   */
  constructor(transport, { clock = () => performance.now() } = {}) {
    this.#transport = transport;
    this.#clock = clock;
    transport.onNotify((fragment) => this.#hear(fragment));
    transport.onGone(() => this.#end());
  }

  /**
   * A new hello, which ends the former one's session. Refused, Lost.
   * @returns {Promise<Uint8Array>}
   */
  readHello() {
    return this.#transport.read("hello");
  }

  /**
   * Writes a message of at most 1400 bytes. Refused, Lost; then the locker has dropped it.
   * @param {Uint8Array} message
   * @returns {Promise<void>}
   */
  async send(message) {
    for (const fragment of split(message, this.#transport.fragmentSize)) {
      await this.#transport.write(fragment);
    }
  }

  /**
   * The next message from the locker, notified or, after `timeoutMs`, read. It may be meant for
   * another phone: ignore what does not open. Silent, Refused, Lost.
   * @param {number} timeoutMs
   * @returns {Promise<Uint8Array>}
   */
  async receive(timeoutMs) {
    const heard = await this.#nextMessage(this.#clock() + timeoutMs);
    this.#last = heard ?? (await this.#readMessage());
    return this.#last;
  }

  /**
   * Ends the connection; twice is harmless.
   * @returns {Promise<void>}
   */
  close() {
    return this.#transport.close();
  }

  async #nextMessage(deadlineMs) {
    for (;;) {
      while (this.#heard.length > 0) {
        const message = this.#reassembler.take(this.#heard.shift(), this.#clock());
        if (message instanceof Uint8Array) return message;
      }
      if (this.#isGone) throw new Lost("the connection has ended");
      const leftMs = deadlineMs - this.#clock();
      if (leftMs <= 0) return null;
      await this.#pause(leftMs);
    }
  }

  /** Until something was heard, the connection has ended, or the time is over. */
  #pause(forMs) {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, forMs);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  async #readMessage() {
    const value = await this.#transport.read("result");
    const message = new Reassembler().take(value, this.#clock());
    if (!(message instanceof Uint8Array) || isSame(message, this.#last)) {
      throw new Silent("the locker did not answer in time");
    }
    return message;
  }

  #hear(fragment) {
    if (this.#heard.length < MOST_UNREAD) this.#heard.push(fragment);
    this.#wake();
  }

  #end() {
    this.#isGone = true;
    this.#wake();
  }
}
