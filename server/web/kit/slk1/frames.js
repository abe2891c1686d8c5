/** Hello, request, result and session frames as bytes; what is sealed, and when, is not known. */
import { join, utf8 } from "./bytes.js";
import { decode, encode } from "./codec.js";
import { DoorEvent } from "./codes.js";
import { sha256 } from "./digest.js";
import { SIGNATURE_SIZE, sign } from "./ed25519.js";
import { Malformed } from "./errors.js";
import { asArray, asBytes, asCompartment, asOptional, asUint, ID_SIZE } from "./fields.js";
import { HEAD_SIZE } from "./journal.js";

/** Statements that one request or sync may bring (PROTOCOL 4). */
export const MAX_STATEMENTS = 4;

/** Bytes of an envelope in a sync answer, whatever the phone would take. */
export const MAX_ENVELOPE = 1300;

const VERSION = 1;
const CLOCK_QUALITIES = 3;
const CODES = 256;
const [RESULT, EVENT, ENVELOPE] = [0, 1, 2];
const [SYNC, REOPEN] = [1, 2];

/**
 * What a locker says of itself in clear: newest statements (0 = none), clock, journal.
 * @typedef {object} Hello
 * @property {Uint8Array} lid
 * @property {number} rev
 * @property {number} keys
 * @property {number} cfg
 * @property {number} now
 * @property {number} clockq
 * @property {number} acked
 * @property {number} seq
 */

/**
 * A result (message 3) or a door event: a code and the journal entry that stands behind it.
 * @typedef {object} Report
 * @property {'report'} kind
 * @property {number} code
 * @property {number | null} comp
 * @property {number} seq
 * @property {Uint8Array} head
 * @property {Uint8Array} signature
 * @property {number} now
 * @property {number} clockq
 */

/**
 * The answer to a sync: an envelope to carry home, if any, and how many entries are left.
 * @typedef {{kind: 'envelope', envelope: Uint8Array | null, pending: number}} EnvelopeFrame
 */

/**
 * What a request asks for: the operation, the compartment and the presence code, where given.
 * @typedef {{op: number, comp?: number | null, code?: number | null}} Wish
 */

/**
 * A statement on its way: type and bytes.
 * @typedef {[number, Uint8Array]} Carried
 */

/**
 * The hello in message 1's payload; Malformed for another version too.
 * @param {Uint8Array} payload
 * @returns {Hello}
 */
export function parseHello(payload) {
  const [version, lid, rev, keys, cfg, now, clockq, acked, seq] = asArray(decode(payload), 9);
  if (asUint(version) !== VERSION) throw new Malformed("a hello of another protocol version");
  return Object.freeze({
    lid: asBytes(lid, ID_SIZE),
    rev: asUint(rev),
    keys: asUint(keys),
    cfg: asUint(cfg),
    now: asUint(now),
    clockq: asUint(clockq, CLOCK_QUALITIES),
    acked: asUint(acked),
    seq: asUint(seq),
  });
}

/**
 * The payload of message 2, with the holder's proof over this handshake, chain and wish.
 * @param {Uint8Array} h the handshake hash
 * @param {{chain: Uint8Array[], wish: Wish, statements?: Carried[]}} request
 * @param {import('./ed25519.js').Signer} signer of the chain's last holder
 * @returns {Promise<Uint8Array>}
 */
export async function writeRequest(h, { chain, wish, statements = [] }, signer) {
  const req = [wish.op, wish.comp ?? null, wish.code ?? null];
  const message = join(utf8("SLK1-pop\0"), h, await sha256(...chain), encode(req));
  return encode([chain, await sign(signer, message), req, statements]);
}

/**
 * The payload of a frame that brings statements and takes an envelope of at most `maxBytes`.
 * @param {Carried[]} statements
 * @param {number} maxBytes
 * @returns {Uint8Array}
 */
export function writeSync(statements, maxBytes) {
  return encode([SYNC, statements, maxBytes]);
}

/**
 * The payload of a frame that asks for this session's door once more.
 * @param {number} comp
 * @returns {Uint8Array}
 */
export function writeReopen(comp) {
  return encode([REOPEN, comp]);
}

/**
 * What a phone that waits for a result can be told: the result, or where its notification was lost
 * a door event, which only an accepted request can have. Malformed on any deviation.
 * @param {Uint8Array} payload
 * @returns {{report: Report, isEvent: boolean}}
 */
export function parseFirst(payload) {
  const [kind, ...fields] = asArray(decode(payload), 8);
  const report = readReport(fields);
  const isEvent = kind === EVENT && report.code >= DoorEvent.DOOR_OPENED;
  if (kind !== RESULT && !isEvent) throw new Malformed("expected a result");
  return { report, isEvent };
}

/**
 * A door event or a sync answer; Malformed on any deviation.
 * @param {Uint8Array} payload
 * @returns {Report | EnvelopeFrame}
 */
export function parseFrame(payload) {
  const [kind, ...fields] = asArray(decode(payload));
  if (kind === EVENT && fields.length === 7) return readReport(fields);
  if (kind === ENVELOPE && fields.length === 2) {
    const envelope = asOptional(fields[0], asBytes);
    return Object.freeze({ kind: "envelope", envelope, pending: asUint(fields[1]) });
  }
  throw new Malformed("neither a door event nor a sync answer");
}

function readReport([code, comp, seq, head, signature, now, clockq]) {
  return Object.freeze({
    kind: "report",
    code: asUint(code, CODES),
    comp: asOptional(comp, asCompartment),
    seq: asUint(seq),
    head: asBytes(head, HEAD_SIZE),
    signature: asBytes(signature, SIGNATURE_SIZE),
    now: asUint(now),
    clockq: asUint(clockq, CLOCK_QUALITIES),
  });
}
