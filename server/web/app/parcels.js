/** The account's parcels, as fetched and as kept for when there is no network. */

import { ask } from "../kit/account.js";
import { find, keep } from "../kit/store.js";
import { keepBundles } from "./bundles.js";

const LIST = "parcels";

const PLACE = `location { kind words hub { name street city }
  compartment { number label side row column }
  locker { lockerId compartments { number side row column } } }`;

const FIELDS = `id code trackingNo state availableThrough deadlineVersion pauseCause safeUntil
  ${PLACE}`;

const ALL = `query { me { parcels(first: 50) { edges { node { ${FIELDS} } } } } }`;

const ONE = `query($id: ID!) { parcel(id: $id) { ${FIELDS}
  collectedAt disputes { openedAt resolvedAt }
  history(first: 100) { edges { node { number at state } } }
  troubles { kind nextSteps } } }`;

const WINDOWS = `query($id: ID!) { pickupWindows(parcel: $id) { start end origin because } }`;

const EXTEND = `mutation($parcel: ID!, $version: Int!) {
  extendPickup(parcel: $parcel, deadlineVersion: $version) { __typename
    ... on ParcelPayload { parcel { availableThrough } } ... on Problem { code message } } }`;

const CHOOSE = `mutation($parcel: ID!, $start: DateTime!, $end: DateTime!) {
  choosePickupWindow(parcel: $parcel, start: $start, end: $end) { __typename
    ... on Problem { code message } } }`;

const PASS = `mutation($parcel: ID!) { requestPass(parcelId: $parcel) { __typename
  ... on Pass { pin expiresAt compartment { number } } ... on Problem { code message } } }`;

const RECEIPT = `query($parcel: ID!) { receipt(parcelId: $parcel) { __typename
  ... on Receipt { receipt } ... on Problem { code message } } }`;

/** @typedef {{fetchedAt: number, parcels: any[]}} Known */

/** @returns {Promise<Known | undefined>} what was fetched last */
export const knownParcels = () => find(LIST);

/**
 * Fetches the list, keeps it, and with it whatever opens the doors of what is ready.
 * @returns {Promise<Known>}
 */
export async function fetchParcels() {
  const me = await ask(ALL, {}, "me");
  const parcels = (me?.parcels.edges ?? []).map((/** @type {any} */ edge) => edge.node);
  const known = { fetchedAt: Date.now(), parcels };
  await keep(LIST, known);
  await keepBundles(parcels);
  return known;
}

/** @param {string} id @returns {Promise<any>} null for a parcel that is not this account's */
export const fetchParcel = (id) => ask(ONE, { id }, "parcel");

/** @param {string} id @returns {Promise<any[]>} */
export const fetchWindows = async (id) => (await ask(WINDOWS, { id }, "pickupWindows")) ?? [];

/** @param {any} parcel @returns {Promise<string>} until when it waits now */
export async function extend(parcel) {
  const variables = { parcel: parcel.id, version: parcel.deadlineVersion };
  return (await ask(EXTEND, variables, "extendPickup")).parcel.availableThrough;
}

/** @param {string} parcel @param {{start: string, end: string}} window */
export const choose = (parcel, { start, end }) =>
  ask(CHOOSE, { parcel, start, end }, "choosePickupWindow");

/** @param {string} parcel @returns {Promise<any>} */
export const fetchPass = (parcel) => ask(PASS, { parcel }, "requestPass");

/** @param {string} parcel @returns {Promise<string>} the receipt's bytes in base64 */
export const fetchReceipt = async (parcel) => (await ask(RECEIPT, { parcel }, "receipt")).receipt;
