/** The hubs that somebody works at; whoever works at one alone is there at once. */

import { ask } from "../kit/account.js";
import { el, fill } from "../kit/dom.js";
import { say } from "../kit/words.js";
import { mapOf } from "./map.js";
import { hubsOf, isEverywhere } from "./rights.js";

const HUB = "id name street city latitude longitude";
const ALL = `query { hubs(first: 100) { edges { node { ${HUB} } } } }`;
const ONE = `query($id: ID!) { hub(id: $id) { ${HUB} } }`;

/**
 * @param {HTMLElement} place
 * @param {{me: any, isCurrent: () => boolean}} context
 */
export async function showHubs(place, { me, isCurrent }) {
  const mine = hubsOf(me.roles);
  if (mine.length === 1 && !isEverywhere(me.roles)) return location.replace(addressOf(mine[0]));
  const hubs = isEverywhere(me.roles) ? await fetchAll() : await fetchThese(mine);
  if (!isCurrent()) return;
  const title = el("h1", {}, say("console.hubs.title"));
  if (hubs.length > 0) return fill(place, title, placesOf(hubs), listOf(hubs));
  fill(
    place,
    title,
    el(
      "div.sheet",
      {},
      el("p", {}, say("console.hubs.none")),
      el("p", {}, me.addresses.join(", ")),
      el("p", {}, el("a", { href: "/app/" }, say("console.to.app"))),
    ),
  );
}

/** @param {string} hub */
const addressOf = (hub) => `#/${encodeURIComponent(hub)}/wall`;

const fetchAll = async () =>
  (await ask(ALL, {}, "hubs")).edges.map((/** @type {any} */ edge) => edge.node);

/** @param {string[]} ids */
async function fetchThese(ids) {
  const hubs = await Promise.all(ids.map((id) => ask(ONE, { id }, "hub")));
  return hubs.filter(Boolean);
}

/** @param {any[]} hubs */
const placesOf = (hubs) => el("figure.chart.sheet", {}, mapOf(hubs, say("console.map")));

/** @param {any[]} hubs */
const listOf = (hubs) =>
  el(
    "ol.hubs",
    {},
    ...hubs.map(({ id, name, street, city }, index) =>
      el(
        "li",
        {},
        el(
          "a.sheet",
          { href: addressOf(id) },
          el("strong", {}, `${index + 1}. ${name}`),
          el("span.faint", {}, `${street}, ${city}`),
        ),
      ),
    ),
  );
