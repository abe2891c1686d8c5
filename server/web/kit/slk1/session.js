/**
 * One visit at the door, from the phone's side: prove, open, watch, and carry bytes both ways.
 * Knows the protocol and a link; knows no server and keeps nothing.
 */
import { Code, DoorEvent, Operation } from "./codes.js";
import { Malformed, NotVouched, Silent } from "./errors.js";
import { MAX_ENVELOPE } from "./frames.js";
import { MAX_ATTRIBUTE } from "./gatt.js";
import { verifyHead } from "./journal.js";
import { newerThan, partForRequest, partForSync, weigh } from "./luggage.js";
import { makeEphemeral } from "./noise.js";
import { PhoneVisit } from "./visit.js";

/** How long a phone waits for an answer that the locker owes it. */
export const ANSWER_MS = 10_000;

/** As often one wish is asked for: each time with statements for which there was no room before. */
export const MAX_REQUESTS = 3;

/** Envelopes fetched in one visit: a bound on our own patience, not the locker's. */
export const MAX_SYNCS = 64;

/**
 * Longest envelope whose answer can also be read: header of the fragment, tag, and the frame around
 * it leave so much of an attribute (PROTOCOL 7).
 */
export const READABLE_ENVELOPE = MAX_ATTRIBUTE - 1 - 16 - 14;

/** What a phone carries for others in one visit, statements and envelopes together. */
export const CARRY_BYTES = 8 * 1024;

const SHORTEST_WAIT_MS = 100;
const SYNCED_CLOCK = 2;

const FINAL = new Set([
  DoorEvent.CLOSED_EMPTY,
  DoorEvent.CLOSED_OCCUPIED,
  DoorEvent.CLOSED_UNKNOWN,
  DoorEvent.OPEN_NOT_DETECTED,
]);

/** @typedef {import('./frames.js').Report} Report */
/** @typedef {import('./frames.js').Carried} Carried */

/**
 * What a visit brought; it grows as the visit goes on.
 * @typedef {object} Outcome
 * @property {import('./frames.js').Hello} hello
 * @property {Report} result where its notification was lost and a door event came in its place,
 *   code 0 with the line of that event
 * @property {Uint8Array} handshakeHash
 * @property {Report[]} events door events so far
 * @property {Uint8Array[]} envelopes to carry home
 * @property {Carried[]} left statements that the locker lacks and the request had no room for
 * @property {number} pending entries that the locker still has
 * @property {number} carried bytes carried for others so far
 */

/**
 * A time statement bound to this hello, where the phone is online.
 * @typedef {(hello: Uint8Array) => Promise<Uint8Array | null>} FindTime
 */

/**
 * @typedef {object} Request
 * @property {Uint8Array[]} chain as in a pass: the token first
 * @property {import('./frames.js').Wish} wish
 * @property {Carried[]} [statements] what the locker lacks of these travels along
 * @property {FindTime} [findTime] asked only when the locker's clock needs it
 */

/** A phone at one locker. `request` reads a new hello; the other calls belong to its session. */
export class Session {
  #link;
  #keys;
  #signer;
  #answerMs;
  #clock;
  #visit = null;
  #awaitsDoor = false;
  #told = 0;

  /**
   * @param {import('./link.js').PhoneLink} link
   * @param {import('./bundles.js').LockerKeys} keys
   * @param {import('./ed25519.js').Signer} signer of the chain's last holder
   * @param {{answerMs?: number, clock?: () => number}} [options]
   */
  constructor(link, keys, signer, { answerMs = ANSWER_MS, clock = () => performance.now() } = {}) {
    this.#link = link;
    this.#keys = keys;
    this.#signer = signer;
    this.#answerMs = answerMs;
    this.#clock = clock;
  }

  /**
   * Asks for what is wished. A refusal while more waited than one message takes is no answer yet:
   * the phone asks again with the rest. Malformed for a hello of another locker; NotVouched for an
   * unsigned answer; any LinkError.
   * @param {Request} request
   * @returns {Promise<Outcome>}
   */
  async request(request) {
    let outcome = await this.#ask(request);
    for (let left = MAX_REQUESTS - 1; left > 0; left -= 1) {
      if (outcome.result.code === Code.OK || outcome.left.length === 0) break;
      const { carried } = outcome;
      outcome = await this.#ask(request);
      outcome.carried += carried;
    }
    return outcome;
  }

  /**
   * Collects door events until the door has closed or did not open; Silent after the time. Each
   * event of the session is told once, also one that came before or during another call.
   * @param {Outcome} outcome
   * @param {{timeoutMs: number, onEvent?: (event: Report) => void}} how
   * @returns {Promise<void>}
   */
  async watch(outcome, { timeoutMs, onEvent = () => {} }) {
    const deadlineMs = this.#clock() + timeoutMs;
    this.#tell(outcome, onEvent);
    while (this.#awaitsDoor) {
      this.#keep(outcome, await this.#nextFrame(deadlineMs));
      this.#tell(outcome, onEvent);
    }
  }

  /**
   * Asks for the session's closed door once more; the answer, after whose code 0 the door can be
   * watched again. Door events that come meanwhile are kept in `outcome`.
   * @param {Outcome} outcome
   * @param {number} comp
   * @returns {Promise<Report>}
   */
  async reopen(outcome, comp) {
    await this.#link.send(this.#visit.writeReopen(comp));
    const deadlineMs = this.#clock() + this.#answerMs;
    for (;;) {
      const frame = await this.#nextFrame(deadlineMs);
      if (frame.kind === "report" && !this.#keep(outcome, frame)) {
        this.#awaitsDoor ||= frame.code === Code.OK;
        return frame;
      }
    }
  }

  /**
   * Brings what the request had no room for, and takes envelopes until none is left or the phone
   * carries `carry` bytes. The refusal, if the locker refused a statement; else null. Door events
   * that come meanwhile are kept in `outcome`. After an answer that was lost the phone asks for
   * shorter ones, which it can read; what the lost one held comes with a later visit.
   * @param {Outcome} outcome
   * @param {{carry?: number}} [bounds]
   * @returns {Promise<Report | null>}
   */
  async sync(outcome, { carry = CARRY_BYTES } = {}) {
    let longest = MAX_ENVELOPE;
    for (let syncs = 0; syncs < MAX_SYNCS; syncs += 1) {
      const { brought, left } = partForSync(outcome.left);
      outcome.left = left;
      outcome.carried += weigh(brought);
      const room = Math.max(0, Math.min(longest, carry - outcome.carried));
      await this.#link.send(this.#visit.writeSync(brought, room));
      const answer = await this.#syncAnswer(outcome);
      if (answer === null) {
        if (longest === READABLE_ENVELOPE) throw new Silent("no answer to a short sync either");
        longest = READABLE_ENVELOPE;
      } else if (answer.kind === "report") {
        return answer;
      } else if (this.#take(outcome, answer)) {
        return null;
      }
    }
    return null;
  }

  async #ask({ chain, wish, statements = [], findTime }) {
    const message = await this.#link.readHello();
    const ephemeral = await makeEphemeral();
    const visit = await PhoneVisit.begin(message, { ...this.#keys, ephemeral });
    this.#visit = visit;
    const needsTime = findTime !== undefined && visit.hello.clockq < SYNCED_CLOCK;
    const time = needsTime ? await findTime(message) : null;
    const { brought, left } = partForRequest(chain, newerThan(visit.hello, statements), time);
    const request = { chain, wish, statements: brought };
    await this.#link.send(await visit.writeRequest(request, this.#signer));
    const deadlineMs = this.#clock() + this.#answerMs;
    const first = await this.#next((bytes) => visit.readFirst(bytes), deadlineMs);
    await this.#check(first.report);
    return this.#begin(wish, first, { left, pending: 0, carried: weigh(brought) });
  }

  #begin(wish, { report, isEvent }, counts) {
    const { hello, handshakeHash } = this.#visit;
    const result = isEvent ? Object.freeze({ ...report, code: Code.OK }) : report;
    const outcome = { hello, result, handshakeHash, events: [], envelopes: [], ...counts };
    this.#awaitsDoor = result.code === Code.OK && wish.op !== Operation.SYNC;
    this.#told = 0;
    if (isEvent) this.#keep(outcome, report);
    return outcome;
  }

  /** Keeps what one answer to a sync brought; whether that was the last there is to ask for. */
  #take(outcome, answer) {
    outcome.pending = answer.pending;
    if (answer.envelope !== null) {
      outcome.envelopes.push(answer.envelope);
      outcome.carried += answer.envelope.length;
    }
    return outcome.left.length === 0 && (answer.envelope === null || answer.pending === 0);
  }

  /** The answer to a sync, or null if none came; door events are kept. */
  async #syncAnswer(outcome) {
    const deadlineMs = this.#clock() + this.#answerMs;
    try {
      for (;;) {
        const frame = await this.#nextFrame(deadlineMs);
        if (!this.#keep(outcome, frame)) return frame;
      }
    } catch (error) {
      if (error instanceof Silent) return null;
      throw error;
    }
  }

  #tell(outcome, onEvent) {
    const news = outcome.events.slice(this.#told);
    this.#told = outcome.events.length;
    news.forEach((event) => onEvent(event));
  }

  /** Keeps a door event; false for any other frame. */
  #keep(outcome, frame) {
    if (frame.kind !== "report" || frame.code < DoorEvent.DOOR_OPENED) return false;
    outcome.events.push(frame);
    if (FINAL.has(frame.code)) this.#awaitsDoor = false;
    return true;
  }

  async #nextFrame(deadlineMs) {
    const visit = this.#visit;
    const frame = await this.#next((bytes) => visit.readFrame(bytes), deadlineMs);
    if (frame.kind === "report") await this.#check(frame);
    return frame;
  }

  /** The next message that opens for us; what other phones were meant to read is skipped. */
  async #next(read, deadlineMs) {
    for (;;) {
      const leftMs = deadlineMs - this.#clock();
      const message = await this.#link.receive(Math.max(SHORTEST_WAIT_MS, leftMs));
      try {
        return read(message);
      } catch (cause) {
        if (!(cause instanceof Malformed)) throw cause;
        if (this.#clock() >= deadlineMs) throw new Silent("no answer that opens came", { cause });
      }
    }
  }

  async #check(report) {
    const { lid, signPublic } = this.#keys;
    if (!(await verifyHead(signPublic, { lid, ...report }))) {
      throw new NotVouched("the locker does not vouch for its answer");
    }
  }
}
