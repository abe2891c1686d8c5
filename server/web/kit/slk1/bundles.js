/** A bundle that the server gave, as the door needs it; how it is fetched and kept is not known. */
import { fromBase64 } from "./bytes.js";
import { Operation } from "./codes.js";
import { PUBLIC_KEY_SIZE } from "./ed25519.js";
import { Malformed } from "./errors.js";
import { asBytes, asCompartment, asText } from "./fields.js";
import { parseLockerText } from "./lockerid.js";
import { StatementType } from "./statements.js";

/**
 * What a bundle says of a locker: its id, and the two keys that only it has.
 * @typedef {object} LockerKeys
 * @property {Uint8Array} lid
 * @property {Uint8Array} noisePublic X25519
 * @property {Uint8Array} signPublic Ed25519
 */

/**
 * @typedef {object} Pass
 * @property {number} operation of `Operation`
 * @property {LockerKeys} keys
 * @property {Uint8Array[]} chain the token, then delegations, or for OPEN_ALL the second token
 * @property {number} comp
 * @property {string} words
 * @property {import('./frames.js').Carried[]} statements
 */

/**
 * The bundle in this JSON (fields as the API names them, and `operation`); Malformed when it is
 * none. The bytes in it are not read: a locker does that.
 * @param {unknown} bundle
 * @returns {Pass}
 */
export function readPass(bundle) {
  const { operation, locker, noisePublic, signPublic, token, compartment, words, ...rest } =
    asObject(bundle);
  return Object.freeze({
    operation: asMember(operation, Operation),
    keys: Object.freeze({
      lid: parseLockerText(asObject(locker).lockerId),
      noisePublic: asBytes(fromBase64(noisePublic), PUBLIC_KEY_SIZE),
      signPublic: asBytes(fromBase64(signPublic), PUBLIC_KEY_SIZE),
    }),
    chain: [asObject(token).bytes, ...asList(rest.delegations ?? [])].map(fromBase64),
    comp: asCompartment(asObject(compartment).number),
    words: asText(words),
    statements: asList(rest.statements).map(readStatement),
  });
}

function readStatement(row) {
  const { type, bytes } = asObject(row);
  return [asMember(type, StatementType), fromBase64(bytes)];
}

function asObject(value) {
  if (typeof value !== "object" || value === null) throw new Malformed("expected an object");
  return value;
}

function asList(value) {
  if (!Array.isArray(value)) throw new Malformed("expected a list");
  return value;
}

function asMember(name, members) {
  if (!Object.hasOwn(members, String(name))) throw new Malformed(`${name} is not known here`);
  return members[name];
}
