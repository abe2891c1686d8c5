/**
 * Passing a parcel on from phone to phone, with no server between. The neighbour's phone shows its
 * key (invites.js); the holder's phone signs for that key, and for no other.
 */
import { asBase64, isSame } from "./bytes.js";
import { readPass } from "./bundles.js";
import { findFault, parseChain } from "./chains.js";
import { Operation } from "./codes.js";
import { Malformed, NotShared } from "./errors.js";
import { delegate } from "./tokens.js";

/**
 * The device key as sharing needs it.
 * @typedef {{signer: import('./ed25519.js').Signer, publicKey: Uint8Array}} Device
 */

/**
 * The bundle as the phone of `holder` may use it until then, signed by this phone's key. NotShared
 * for a bundle that this phone may not pass on, or for longer than it holds it itself.
 * @param {Record<string, unknown>} bundle
 * @param {Device} device
 * @param {{holder: Uint8Array, until: number, now: number}} terms Unix seconds
 * @returns {Promise<Record<string, unknown>>}
 */
export async function share(bundle, { signer, publicKey }, { holder, until, now }) {
  const { operation, chain } = readChain(bundle);
  if (operation !== Operation.OPEN || !chain.isExtendable) {
    throw new NotShared("NOT_EXTENDABLE", "this cannot be passed on any further");
  }
  if (!isSame(chain.holder, publicKey)) {
    throw new NotShared("NOT_HOLDER", "another phone holds this: share from that one");
  }
  if (until > chain.exp) {
    throw new NotShared("TOO_LONG", `only what this phone holds can be shared, until ${chain.exp}`);
  }
  if (until <= now) throw new NotShared("PAST", "that time is over");
  const terms = { exp: until, holder, actions: Operation.OPEN };
  const shared = asBase64(await delegate(signer, chain.raw.at(-1), terms));
  return { ...bundle, delegations: [...(bundle.delegations ?? []), shared] };
}

/**
 * Whether a bundle that came from another phone opens something here; NotShared when it was not
 * shared with this phone (NOT_FOR_US), or by somebody who could not (BROKEN).
 * @param {Record<string, unknown>} bundle
 * @param {Uint8Array} publicKey of this phone
 * @returns {Promise<void>}
 */
export async function checkTaken(bundle, publicKey) {
  const { chain } = readChain(bundle);
  if (chain.delegations.length === 0 || !isSame(chain.holder, publicKey)) {
    throw new NotShared("NOT_FOR_US", "this was not shared with this phone");
  }
  const fault = await findFault(chain);
  if (fault !== null) throw new NotShared("BROKEN", `this opens nothing: ${fault}`);
}

/**
 * The parts of a bundle's chain, as the API registers a delegation.
 * @param {Record<string, unknown>} bundle
 * @returns {string[]} base64
 */
export function chainAsBase64(bundle) {
  return readChain(bundle).chain.raw.map(asBase64);
}

function readChain(bundle) {
  try {
    const { operation, chain } = readPass(bundle);
    return { operation, chain: parseChain(chain) };
  } catch (cause) {
    if (!(cause instanceof Malformed)) throw cause;
    throw new NotShared("BROKEN", "this bundle cannot be read", { cause });
  }
}
