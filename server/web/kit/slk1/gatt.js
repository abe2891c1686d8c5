/**
 * How SLK1 sits on Bluetooth: identifiers, ATT errors and fragments. What a message means is not
 * known here.
 */
import { join } from "./bytes.js";

const TAIL = "-6b0a-5f62-9d3e-4f1a2c9b7e1";
export const SERVICE_UUID = `7d1c5e40${TAIL}0`;
export const HELLO_UUID = `7d1c5e40${TAIL}1`;
export const COMMAND_UUID = `7d1c5e40${TAIL}2`;
export const RESULT_UUID = `7d1c5e40${TAIL}3`;

/** Whose manufacturer data it is: 0xFFFF, which Bluetooth leaves for those without a number. */
export const COMPANY_ID = 0xffff;

/** Bytes of the longest whole message, either way (PROTOCOL 4). */
export const MAX_MESSAGE = 1400;

/** Bytes of the longest attribute value (Bluetooth Core, Vol 3, Part F, 3.2.9). */
export const MAX_ATTRIBUTE = 512;

/** Bytes of a fragment when the phone cannot learn its MTU, as in every browser. */
export const UNKNOWN_MTU_FRAGMENT = 180;

/** A message whose next fragment takes longer than this is dropped. */
export const SILENCE_MS = 5000;

/** Refusals that travel in clear, because there is no session yet to seal them (PROTOCOL 7). */
export const AttError = Object.freeze({
  BAD_FRAME: 0x80,
  NO_HELLO: 0x81,
  BUSY: 0x82,
  BAD_MESSAGE: 0x83,
  TOO_LARGE: 0x84,
});

const LAST = 0x80;
const INDEX = 0x7f;
const MAX_FRAGMENTS = 128; // the index has seven bits
const WRITE_HEADER = 3;
const TAG_BYTES = 6;

/**
 * The part of a locker id that is advertised, by which a phone picks its locker.
 * @param {Uint8Array} lid
 * @returns {Uint8Array}
 */
export function lidTag(lid) {
  return lid.slice(0, TAG_BYTES);
}

/**
 * How many bytes a fragment may have, header included.
 * @param {number | null} mtu null: not known
 * @returns {number}
 */
export function fragmentSize(mtu) {
  return mtu === null ? UNKNOWN_MTU_FRAGMENT : Math.min(mtu - WRITE_HEADER, MAX_ATTRIBUTE);
}

/**
 * The message in fragments of at most `size` bytes, header included. RangeError for an empty
 * message and for one that is too long: we wrote it ourselves.
 * @param {Uint8Array} message
 * @param {number} size
 * @returns {Uint8Array[]}
 */
export function split(message, size) {
  const room = Math.min(MAX_MESSAGE, MAX_FRAGMENTS * (size - 1));
  if (message.length === 0 || message.length > room) {
    throw new RangeError(`${message.length} bytes do not fit fragments of ${size} bytes`);
  }
  const count = Math.ceil(message.length / (size - 1));
  return Array.from({ length: count }, (_, index) => {
    const header = index | (index === count - 1 ? LAST : 0);
    return join(Uint8Array.of(header), message.slice(index * (size - 1), (index + 1) * (size - 1)));
  });
}

/** Puts one direction of one connection together again; holds at most one unfinished message. */
export class Reassembler {
  #parts = [];
  #size = 0;
  #heardMs = 0;

  /**
   * The message that this completes, null while more must come, or an ATT error's number; after an
   * error the unfinished message is gone.
   * @param {Uint8Array} fragment
   * @param {number} nowMs monotonic
   * @returns {Uint8Array | number | null}
   */
  take(fragment, nowMs) {
    if (nowMs - this.#heardMs > SILENCE_MS) this.clear();
    this.#heardMs = nowMs;
    if (fragment.length < 2) return this.#refuse(AttError.BAD_FRAME);
    const index = fragment[0] & INDEX;
    if (index === 0) this.clear();
    else if (index !== this.#parts.length) return this.#refuse(AttError.BAD_FRAME);
    return this.#append(fragment);
  }

  /** Forget the unfinished message. */
  clear() {
    this.#parts = [];
    this.#size = 0;
  }

  #append(fragment) {
    this.#parts.push(fragment.slice(1));
    this.#size += fragment.length - 1;
    if (this.#size > MAX_MESSAGE) return this.#refuse(AttError.TOO_LARGE);
    if (!(fragment[0] & LAST)) return null;
    const message = join(...this.#parts);
    this.clear();
    return message;
  }

  #refuse(error) {
    this.clear();
    return error;
  }
}
