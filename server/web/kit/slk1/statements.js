/**
 * The one way from server to locker: five kinds of signed statement that any phone may carry.
 * Reading checks form alone; a phone needs no more of them than how new each is.
 */
import { isSame, utf8 } from "./bytes.js";
import { decode } from "./codec.js";
import { Aad, KEY_ID_SIZE, parseObject } from "./cose.js";
import { sha256 } from "./digest.js";
import { PUBLIC_KEY_SIZE } from "./ed25519.js";
import { Malformed } from "./errors.js";
import { asArray, asBytes, asFlag, asMap, asUint, ID_SIZE } from "./fields.js";

/** The number that announces a statement's type in a request (PROTOCOL 4). */
export const StatementType = Object.freeze({
  REVOCATIONS: 1,
  TIME: 2,
  KEY_SET: 3,
  CONFIGURATION: 4,
  ACKNOWLEDGEMENT: 5,
});

/** Entries of a revocation list (PROTOCOL 2). */
export const MAX_REVOCATIONS = 40;

/** Entries of a key set (PROTOCOL 2). */
export const MAX_KEYS = 8;

const NONCE_SIZE = 16;
const HEAD_SIZE = 32;
const EVERY_LOCKER = utf8("*");
const CFG_PRESENCE_CODE = 1;
const CFG_CLOSE_OVERDUE_S = 2;
const CFG_ZONES = [17, 18]; // the product's own: numbers of cooled compartments, one byte each
const MAX_COOLED = 256;
const [CLOSE_OVERDUE_MIN_S, CLOSE_OVERDUE_MAX_S] = [30, 3600];

/**
 * A statement whose form was checked; its signature was not.
 * @typedef {object} SignedStatement
 * @property {number} type of `StatementType`
 * @property {Uint8Array} raw
 * @property {import('./cose.js').Signed} signed
 * @property {Uint8Array} lid one locker's id, or the byte "*"
 * @property {number} number the counter by which it is newer than another of its type
 */

/**
 * The statement of this type in these bytes; Malformed on any deviation of form.
 * @param {number} type of `StatementType`
 * @param {Uint8Array} raw
 * @returns {SignedStatement}
 */
export function parseStatement(type, raw) {
  const read = READERS.get(type);
  if (read === undefined) throw new Malformed("a statement of unknown type");
  const signed = parseObject(raw, { withKid: true });
  return Object.freeze({ type, raw, signed, ...read(decode(signed.payload)) });
}

/**
 * The external data under which statements of this type are signed.
 * @param {number} type of `StatementType`
 * @returns {string}
 */
export function statementAad(type) {
  const name = Object.keys(StatementType).find((key) => StatementType[key] === type);
  return Aad[name];
}

/**
 * The nonce that binds a time statement to a hello message (PROTOCOL 5).
 * @param {Uint8Array} hello
 * @returns {Promise<Uint8Array>}
 */
export async function timeNonce(hello) {
  return (await sha256(utf8("SLK1-tnonce"), hello)).slice(0, NONCE_SIZE);
}

const READERS = new Map([
  [StatementType.REVOCATIONS, readRevocations],
  [StatementType.TIME, readTime],
  [StatementType.KEY_SET, readKeySet],
  [StatementType.CONFIGURATION, readConfiguration],
  [StatementType.ACKNOWLEDGEMENT, readAcknowledgement],
]);

function readRevocations(value) {
  const [lid, seq, iat, minIat, entries] = asArray(value, 5);
  [iat, minIat].forEach((time) => asUint(time));
  for (const item of asBounded(entries, MAX_REVOCATIONS)) {
    const [id, exp] = asArray(item, 2);
    asBytes(id, ID_SIZE);
    asUint(exp);
  }
  return { lid: asAudience(lid), number: asUint(seq) };
}

function readTime(value) {
  const [lid, t, nonce] = asArray(value, 3);
  asBytes(nonce, NONCE_SIZE);
  return { lid: asAudience(lid), number: asUint(t) };
}

function readKeySet(value) {
  const [lid, seq, iat, keys] = asArray(value, 4);
  asUint(iat);
  for (const item of asBounded(keys, MAX_KEYS)) {
    const [kid, publicKey, ...numbers] = asArray(item, 6);
    asBytes(kid, KEY_ID_SIZE);
    asBytes(publicKey, PUBLIC_KEY_SIZE);
    numbers.forEach((number) => asUint(number));
  }
  return { lid: asAudience(lid), number: asUint(seq) };
}

function readConfiguration(value) {
  const [lid, seq, iat, values] = asArray(value, 4);
  asUint(iat);
  const known = asMap(values);
  if (known.has(CFG_PRESENCE_CODE)) asFlag(known.get(CFG_PRESENCE_CODE));
  if (known.has(CFG_CLOSE_OVERDUE_S)) checkOverdue(known.get(CFG_CLOSE_OVERDUE_S));
  for (const key of CFG_ZONES) {
    if (asBytes(known.get(key) ?? new Uint8Array(0)).length > MAX_COOLED) {
      throw new Malformed("more compartments of a zone than there are numbers");
    }
  }
  return { lid: asAudience(lid), number: asUint(seq) };
}

function readAcknowledgement(value) {
  const [lid, iat, upto, head] = asArray(value, 4);
  asUint(iat);
  asBytes(head, HEAD_SIZE);
  return { lid: asBytes(lid, ID_SIZE), number: asUint(upto) };
}

function asBounded(value, most) {
  const items = asArray(value);
  if (items.length > most) throw new Malformed(`more than ${most} entries`);
  return items;
}

function asAudience(value) {
  const lid = asBytes(value);
  if (lid.length !== ID_SIZE && !isSame(lid, EVERY_LOCKER)) {
    throw new Malformed("a statement is for one locker id or for every locker");
  }
  return lid;
}

function checkOverdue(value) {
  const seconds = asUint(value);
  if (seconds < CLOSE_OVERDUE_MIN_S || seconds > CLOSE_OVERDUE_MAX_S) {
    throw new Malformed("seconds until CLOSE_OVERDUE must be from 30 to 3600");
  }
}
