/** What a phone carries to a locker: what of it is news there, and what one message takes. */
import { MAX_STATEMENTS } from "./frames.js";
import { MAX_MESSAGE } from "./gatt.js";
import { parseStatement, StatementType } from "./statements.js";

/** @typedef {import('./frames.js').Carried} Carried */

/**
 * What travels in a message, and what has to wait for the next one.
 * @typedef {{brought: Carried[], left: Carried[]}} Parted
 */

/** The name in a hello of how new a locker's statements of a type are, keys first. */
const KNOWN = new Map([
  [StatementType.KEY_SET, "keys"],
  [StatementType.REVOCATIONS, "rev"],
  [StatementType.CONFIGURATION, "cfg"],
  [StatementType.ACKNOWLEDGEMENT, "acked"],
]);
const ORDER = [...KNOWN.keys()];

/** Of a request besides chain and statements: ephemeral key, tag, proof, arrays and `req`. */
const REQUEST_SIZE = 32 + 16 + 66 + 12;

/** Of a sync besides its statements: tag, arrays, the bytes it offers to take. */
const SYNC_SIZE = 16 + 8;

const PER_STATEMENT = 5;
const PER_PART = 3;

/**
 * What of these the locker does not have yet, keys first: the rest is signed by them. Malformed for
 * bytes that are no statement of their type.
 * @param {import('./frames.js').Hello} hello
 * @param {Carried[]} statements
 * @returns {Carried[]}
 */
export function newerThan(hello, statements) {
  return statements
    .filter(([type]) => KNOWN.has(type))
    .filter(([type, raw]) => parseStatement(type, raw).number > hello[KNOWN.get(type)])
    .sort(([one], [other]) => ORDER.indexOf(one) - ORDER.indexOf(other));
}

/**
 * What a request brings, a time statement in any case and last: its key may come with it.
 * @param {Uint8Array[]} chain
 * @param {Carried[]} news
 * @param {Uint8Array | null} time
 * @returns {Parted}
 */
export function partForRequest(chain, news, time) {
  const used = chain.reduce((size, part) => size + part.length + PER_PART, REQUEST_SIZE);
  if (time === null) return part(news, MAX_MESSAGE - used, MAX_STATEMENTS);
  const room = MAX_MESSAGE - used - time.length - PER_STATEMENT;
  const { brought, left } = part(news, room, MAX_STATEMENTS - 1);
  return { brought: [...brought, [StatementType.TIME, time]], left };
}

/**
 * What one sync brings; a statement that no message takes is left out of both.
 * @param {Carried[]} news
 * @returns {Parted}
 */
export function partForSync(news) {
  const room = MAX_MESSAGE - SYNC_SIZE;
  const fitting = news.filter(([, raw]) => raw.length + PER_STATEMENT <= room);
  return part(fitting, room, MAX_STATEMENTS);
}

/**
 * How much of what a phone carries for others these are.
 * @param {Carried[]} statements
 * @returns {number} bytes
 */
export function weigh(statements) {
  return statements.reduce((sum, [, raw]) => sum + raw.length, 0);
}

function part(news, room, most) {
  const brought = [];
  const left = [];
  for (const each of news) {
    const size = each[1].length + PER_STATEMENT;
    if (size <= room && brought.length < most) {
      brought.push(each);
      room -= size;
    } else {
      left.push(each);
    }
  }
  return { brought, left };
}
