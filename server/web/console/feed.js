/** One hub as it is now: the live feed, shared by whichever screen is shown. */

import { follow } from "../kit/live.js";

/** So often those who watch are told at least: what they say of times would go stale. */
const MINUTE_MS = 60_000;

const EXPECTED = ["ANNOUNCED", "IN_TRANSIT", "OUT_FOR_DELIVERY"];
const HERE = [
  "DROPPED_OFF",
  "DEPOSITED",
  "READY_FOR_PICKUP",
  "COLLECTING",
  "EXPIRED",
  "AT_HUB",
  "RETURNING",
  "ON_HOLD",
  "DISPUTED",
];

const PARCEL = `pageInfo { hasNextPage } edges { node {
  id code recipientName state availableThrough deadlineVersion pauseCause ageRestricted
  codAmount codCurrency climateZone location { kind locker { id } compartment { number label } } } }`;

const FEED = `subscription($hub: ID!) { hubFeed(hub: $hub) {
  hub { id name street city isOpen nextOpeningAt version timeZone
    openingHours { weekday opensMinute closesMinute }
    closures { firstDay lastDay reason planned shiftsDeadlines } }
  lockers { id serial lockerId state lastFactAt timeQuality hasKeypad
    compartments { number label side row column widthMm heightMm depthMm sillHeightMm sizeClass
      climateZone status } }
  expected: parcels(first: 100, states: [${EXPECTED}]) { ${PARCEL} }
  here: parcels(first: 100, states: [${HERE}]) { ${PARCEL} }
  incidents(first: 100) { pageInfo { hasNextPage } edges { node {
    id kind severity openedAt dueAt journalSeq detail nextSteps } } } } }`;

/**
 * @typedef {object} Page
 * @property {any[]} rows
 * @property {boolean} hasMore than are shown
 */

/** @typedef {{hub: any, lockers: any[], expected: Page, here: Page, incidents: Page}} State */

/** @typedef {import("../kit/live.js").Link} Link */

/** @param {any} connection @returns {Page} */
const asPage = ({ edges, pageInfo }) => ({
  rows: edges.map((/** @type {any} */ edge) => edge.node),
  hasMore: pageInfo.hasNextPage,
});

/** The newest state of a hub, and whoever wants to know of each. */
export class Feed {
  /** @type {State | null} */
  state = null;
  /** @type {Link} */
  link = "joining";
  /** When the newest state came; milliseconds. */
  heardAt = 0;
  /** @type {Set<() => void>} */
  #listeners = new Set();

  /**
   * @param {string} hub global id
   * @param {(reason: "refused" | "over" | "signed-out") => void} onEnd
   */
  constructor(hub, onEnd) {
    this.hub = hub;
    const onState = (/** @type {any} */ { hub: place, lockers, expected, here, incidents }) => {
      this.heardAt = Date.now();
      this.state = {
        hub: place,
        lockers,
        expected: asPage(expected),
        here: asPage(here),
        incidents: asPage(incidents),
      };
      this.#tell();
    };
    const onLink = (/** @type {Link} */ link) => {
      this.link = link;
      this.#tell();
    };
    this.clock = setInterval(() => this.#tell(), MINUTE_MS);
    this.following = follow(FEED, { hub }, { onState, onLink, onEnd });
  }

  /**
   * Calls whenever the state or the link has changed, and once at once.
   * @param {() => void} listener
   * @returns {() => void} stops it
   */
  watch(listener) {
    this.#listeners.add(listener);
    listener();
    return () => this.#listeners.delete(listener);
  }

  leave() {
    clearInterval(this.clock);
    this.following.leave();
    this.#listeners.clear();
  }

  #tell() {
    for (const listener of [...this.#listeners]) listener();
  }
}
