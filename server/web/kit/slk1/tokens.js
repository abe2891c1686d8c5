/**
 * Unlock tokens and delegations: bytes in, claims out. Reading checks form alone; whether a token
 * is genuine, current and sufficient is the locker's to judge.
 */
import { decode, encode } from "./codec.js";
import { Aad, parseObject, signObject } from "./cose.js";
import { sha256 } from "./digest.js";
import { PUBLIC_KEY_SIZE } from "./ed25519.js";
import { Malformed } from "./errors.js";
import { asArray, asBytes, asCompartment, asMap, asText, asUint, ID_SIZE } from "./fields.js";

/** Compartment numbers that one token may name (PROTOCOL 2). */
export const MAX_COMPARTMENTS = 64;

/** Delegations that may follow a token. */
export const MAX_DELEGATIONS = 2;

/** Leading bytes of SHA-256 by which a delegation names its parent. */
export const PARENT_SIZE = 16;

const [AUD, EXP, NBF, IAT, CTI, CNF, SCOPE] = [3, 4, 5, 6, 7, 8, 9]; // RFC 8392, 8747, 9200
const COSE_KEY = 1; // RFC 8747 s. 3.1
const [KTY, CRV, PUBLIC] = [1, -1, -2]; // RFC 9053 s. 7.2
const OKP = 1;
const ED25519 = 6;
const SCOPE_VERSION = 1;
const ROLES = 5;

/**
 * What a token says; `stay` and `comps` are empty where the token leaves them open.
 * @typedef {object} Claims
 * @property {string} aud
 * @property {number} exp
 * @property {number} nbf
 * @property {number} iat
 * @property {Uint8Array} cti
 * @property {Uint8Array} holder
 * @property {number} role
 * @property {number} actions
 * @property {number[]} comps
 * @property {Uint8Array} stay
 * @property {number} depth
 * @property {number} minrev
 */

/**
 * @typedef {object} Token
 * @property {Uint8Array} raw
 * @property {import('./cose.js').Signed} signed
 * @property {Claims} claims
 */

/**
 * It passes on a part of what its parent gives.
 * @typedef {object} Delegation
 * @property {Uint8Array} raw
 * @property {import('./cose.js').Signed} signed
 * @property {number} exp
 * @property {Uint8Array} holder
 * @property {number} actions
 * @property {Uint8Array} parent
 */

/**
 * The token in these bytes; Malformed unless its form is exactly the protocol's.
 * @param {Uint8Array} raw
 * @returns {Token}
 */
export function parseToken(raw) {
  const signed = parseObject(raw, { withKid: true });
  const claims = asMap(decode(signed.payload), [AUD, EXP, NBF, IAT, CTI, CNF, SCOPE]);
  const parsed = {
    aud: asText(claims.get(AUD)),
    exp: asUint(claims.get(EXP)),
    nbf: asUint(claims.get(NBF)),
    iat: asUint(claims.get(IAT)),
    cti: asBytes(claims.get(CTI), ID_SIZE),
    holder: parseConfirmation(claims.get(CNF)),
    ...parseScope(asBytes(claims.get(SCOPE))),
  };
  return Object.freeze({ raw, signed, claims: Object.freeze(parsed) });
}

/**
 * The delegation in these bytes; Malformed unless its form is exactly the protocol's.
 * @param {Uint8Array} raw
 * @returns {Delegation}
 */
export function parseDelegation(raw) {
  const signed = parseObject(raw, { withKid: false });
  const claims = asMap(decode(signed.payload), [EXP, CNF, SCOPE]);
  const [version, actions, parent] = asArray(decode(asBytes(claims.get(SCOPE))), 3);
  checkVersion(version);
  return Object.freeze({
    raw,
    signed,
    exp: asUint(claims.get(EXP)),
    holder: parseConfirmation(claims.get(CNF)),
    actions: asUint(actions),
    parent: asBytes(parent, PARENT_SIZE),
  });
}

/**
 * A delegation of `parent` (token or delegation bytes), signed by the parent's holder. Malformed
 * when its form would be refused by a locker; that it only takes away is the caller's to see to.
 * @param {import('./ed25519.js').Signer} signer
 * @param {Uint8Array} parent
 * @param {{exp: number, holder: Uint8Array, actions: number}} terms
 * @returns {Promise<Uint8Array>}
 */
export async function delegate(signer, parent, { exp, holder, actions }) {
  const scope = encode([SCOPE_VERSION, actions, await parentHash(parent)]);
  const key = new Map([
    [KTY, OKP],
    [CRV, ED25519],
    [PUBLIC, holder],
  ]);
  const claims = new Map([
    [EXP, exp],
    [CNF, new Map([[COSE_KEY, key]])],
    [SCOPE, scope],
  ]);
  const raw = await signObject(signer, Aad.DELEGATION, encode(claims), null);
  parseDelegation(raw);
  return raw;
}

/**
 * The name by which a delegation points to the token or delegation before it.
 * @param {Uint8Array} raw
 * @returns {Promise<Uint8Array>}
 */
export async function parentHash(raw) {
  return (await sha256(raw)).slice(0, PARENT_SIZE);
}

function parseScope(raw) {
  const [version, role, actions, comps, stay, depth, minrev] = asArray(decode(raw), 7);
  checkVersion(version);
  return {
    role: asUint(role, ROLES),
    actions: asUint(actions),
    comps: parseCompartments(comps),
    stay: parseStay(stay),
    depth: asUint(depth, MAX_DELEGATIONS + 1),
    minrev: asUint(minrev),
  };
}

function checkVersion(version) {
  if (asUint(version) !== SCOPE_VERSION) throw new Malformed("a scope of another version");
}

function parseConfirmation(value) {
  const key = asMap(asMap(value, [COSE_KEY]).get(COSE_KEY), [KTY, CRV, PUBLIC]);
  if (key.get(KTY) !== OKP || key.get(CRV) !== ED25519) {
    throw new Malformed("the device key must be an Ed25519 public key");
  }
  return asBytes(key.get(PUBLIC), PUBLIC_KEY_SIZE);
}

function parseCompartments(value) {
  const comps = asArray(value);
  if (comps.length > MAX_COMPARTMENTS) throw new Malformed("too many compartments in a token");
  return comps.map(asCompartment);
}

function parseStay(value) {
  const stay = asBytes(value);
  if (stay.length !== 0 && stay.length !== ID_SIZE)
    throw new Malformed("a stay is 8 bytes or none");
  return stay;
}
