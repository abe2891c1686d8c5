/**
 * A token with the delegations that follow it, as one right of its last holder. Judges the chain by
 * itself; whether its token is genuine, current and sufficient is not asked here.
 */
import { isSame } from "./bytes.js";
import { Aad, isSignedBy } from "./cose.js";
import { Malformed } from "./errors.js";
import { MAX_DELEGATIONS, parentHash, parseDelegation, parseToken } from "./tokens.js";

/**
 * @typedef {object} Chain
 * @property {import('./tokens.js').Token} token
 * @property {import('./tokens.js').Delegation[]} delegations the nearest to the token first
 * @property {Uint8Array[]} raw its parts as a locker is shown them
 * @property {Uint8Array} holder the device key that may use it
 * @property {number} actions what it allows at most
 * @property {number} exp when it ends, Unix seconds
 * @property {boolean} isExtendable whether its holder may pass it on
 */

/**
 * The chain in these bytes; Malformed unless it is one token and at most two delegations.
 * @param {Uint8Array[]} parts
 * @returns {Chain}
 */
export function parseChain(parts) {
  if (parts.length < 1 || parts.length > 1 + MAX_DELEGATIONS) {
    throw new Malformed("a chain is a token and at most two delegations");
  }
  const token = parseToken(parts[0]);
  const delegations = parts.slice(1).map(parseDelegation);
  const { holder, actions, exp } = delegations.at(-1) ?? token.claims;
  const isExtendable = delegations.length < token.claims.depth;
  return Object.freeze({ token, delegations, raw: parts, holder, actions, exp, isExtendable });
}

/**
 * What is wrong with the delegations; null if each only takes away, signed by its giver.
 * @param {Chain} chain
 * @returns {Promise<'TOO_MANY' | 'TOO_WIDE' | 'FOREIGN' | null>}
 */
export async function findFault({ token, delegations }) {
  if (delegations.length > token.claims.depth) return "TOO_MANY";
  let giver = { raw: token.raw, ...token.claims };
  for (const part of delegations) {
    if (!isSame(part.parent, await parentHash(giver.raw))) return "FOREIGN";
    if (reachesBeyond(part.actions, giver.actions) || part.exp > giver.exp) return "TOO_WIDE";
    if (!(await isSignedBy(part.signed, giver.holder, Aad.DELEGATION))) return "FOREIGN";
    giver = part;
  }
  return null;
}

/** Masks have up to 53 bits, of which a number's own operators would see 32. */
function reachesBeyond(actions, allowed) {
  return (BigInt(actions) & ~BigInt(allowed)) !== 0n;
}
