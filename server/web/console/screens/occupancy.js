/** How full a hub is and will be, and when people mean to come. */

import { ask } from "../../kit/account.js";
import { el, fill } from "../../kit/dom.js";
import { say, sayDay, sayShare, sayTime } from "../../kit/words.js";
import { chartOf } from "../chart.js";

export const name = "occupancy";
export const needs = null;

const OCCUPANCY = `query($hub: ID!) { hubOccupancy(hub: $hub) { now
  forecast { start end mean low high } } }`;
const PICKUPS = `query($hub: ID!) { expectedPickups(hub: $hub) { start end chosen } }`;

/**
 * @param {HTMLElement} place
 * @param {import("../console.js").Context} context
 */
export async function show(place, { hub, isCurrent }) {
  const content = el("div.stack", {}, el("p.faint", { role: "status" }, say("console.loading")));
  place.append(content);
  try {
    const [occupancy, pickups] = await Promise.all([
      ask(OCCUPANCY, { hub }, "hubOccupancy"),
      ask(PICKUPS, { hub }, "expectedPickups"),
    ]);
    if (isCurrent()) fill(content, nowOf(occupancy), forecastOf(occupancy), pickupsOf(pickups));
  } catch (error) {
    fill(content);
    throw error;
  }
}

/** @param {any} occupancy */
function nowOf(occupancy) {
  if (!occupancy || occupancy.now === null) return el("p.sheet", {}, say("occupancy.none"));
  const words = say("occupancy.now", { share: sayShare(occupancy.now) });
  const meter = el("meter", { min: 0, max: 1, value: occupancy.now, "aria-label": words });
  return el("section.sheet", {}, el("p", {}, words), meter);
}

/** @param {any} occupancy */
function forecastOf(occupancy) {
  if (!occupancy) return null;
  const slots = occupancy.forecast.map((/** @type {any} */ { start, end, mean, low, high }) => ({
    from: Date.parse(start),
    to: Date.parse(end),
    mean,
    low,
    high,
  }));
  const title = say("occupancy.forecast");
  return el(
    "section.sheet",
    {},
    el("h2", {}, title),
    ...(slots.length === 0
      ? [el("p.faint", {}, say("occupancy.forecast.none"))]
      : [
          el("p.faint", {}, say("occupancy.band")),
          chartOf(slots, { title, sayDay, sayShare }),
          el("details", {}, el("summary", {}, say("occupancy.table")), tableOf(slots)),
        ]),
  );
}

/** @param {import("../chart.js").Slot[]} slots */
const tableOf = (slots) =>
  el(
    "table",
    {},
    el("caption", {}, say("occupancy.forecast")),
    head("from", "mean", "low", "high"),
    el(
      "tbody",
      {},
      ...slots.map(({ from, mean, low, high }) =>
        el(
          "tr",
          {},
          el("th", { scope: "row" }, sayTime(from)),
          ...[mean, low, high].map((share) => el("td", {}, sayShare(share))),
        ),
      ),
    ),
  );

/** @param {...string} keys */
const head = (...keys) =>
  el(
    "thead",
    {},
    el("tr", {}, ...keys.map((key) => el("th", { scope: "col" }, say(`occupancy.${key}`)))),
  );

/** @param {any[] | null} pickups */
const pickupsOf = (pickups) =>
  pickups &&
  el(
    "section.sheet",
    {},
    el("h2", {}, say("occupancy.pickups")),
    pickups.length === 0
      ? el("p.faint", {}, say("occupancy.pickups.none"))
      : el(
          "ul.history",
          {},
          ...pickups.map(({ start, end, chosen }) =>
            el(
              "li",
              {},
              `${sayTime(start)} – ${sayTime(end)}: ${say("occupancy.people", { count: chosen })}`,
            ),
          ),
        ),
  );
