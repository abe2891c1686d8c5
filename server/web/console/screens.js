/** The screens of a hub in the order of their tabs; each is a file of its own. */

import * as health from "./screens/health.js";
import * as hours from "./screens/hours.js";
import * as incidents from "./screens/incidents.js";
import * as journal from "./screens/journal.js";
import * as occupancy from "./screens/occupancy.js";
import * as parcels from "./screens/parcels.js";
import * as wall from "./screens/wall.js";

/**
 * @typedef {object} Screen
 * @property {string} name in the address, and of its words
 * @property {import("./rights.js").Offer | null} needs what somebody must have at the hub to see it
 * @property {(state: import("./feed.js").State) => number} [count] a number worth telling at its tab
 * @property {(place: HTMLElement, context: import("./console.js").Context) => unknown} show
 */

/** @type {Screen[]} */
export const SCREENS = [wall, incidents, parcels, health, occupancy, hours, journal];
