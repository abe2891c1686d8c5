/** What opens doors without a network: fetched ahead of time, one for each parcel that is ready. */

import { ask, Declined } from "../kit/account.js";
import { drop, find, keep } from "../kit/store.js";

const NAMES = "bundles";
const OPENABLE = new Set(["READY_FOR_PICKUP", "COLLECTING"]);

const UNLOCK = `mutation($parcelId: ID!) { unlockBundle(parcelId: $parcelId) { __typename
  ... on UnlockBundle { hub { name street city } noisePublic signPublic
    statements { type bytes } locker { lockerId } token { bytes expiresAt }
    compartment { number label } words }
  ... on Problem { code message } } }`;

const nameOf = (/** @type {string} */ parcel) => `bundle ${parcel}`;

/** @param {{state: string}} parcel @returns {boolean} whether its recipient may open its door now */
export const isOpenable = (parcel) => OPENABLE.has(parcel.state);

/** @param {string} parcel @returns {Promise<any>} what opens its door; undefined without it */
export const findBundle = (parcel) => find(nameOf(parcel));

/**
 * Fetches what the doors of these parcels need, and forgets what no door needs any more.
 * What one parcel is refused costs the others nothing.
 * @param {any[]} parcels
 */
export async function keepBundles(parcels) {
  const ready = parcels.filter(isOpenable).map((parcel) => parcel.id);
  /** @type {string[]} */
  const before = (await find(NAMES)) ?? [];
  // Named before they are there: whatever is kept can be forgotten, however this ends.
  await keep(NAMES, [...new Set([...before, ...ready])]);
  for (const parcel of ready) await fetchBundle(parcel);
  for (const parcel of before) if (!ready.includes(parcel)) await drop(nameOf(parcel));
  await keep(NAMES, ready);
}

/** @param {string} parcel */
async function fetchBundle(parcel) {
  try {
    await keep(nameOf(parcel), await ask(UNLOCK, { parcelId: parcel }, "unlockBundle"));
  } catch (error) {
    if (!(error instanceof Declined)) throw error;
  }
}
