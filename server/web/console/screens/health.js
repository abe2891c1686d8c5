/** How each locker is: what was heard of it last, its clock, and what the next phone must bring. */

import { ask } from "../../kit/account.js";
import { el, fill } from "../../kit/dom.js";
import { say, sayTime, sayUntil } from "../../kit/words.js";
import { tellFailure } from "../failing.js";
import { drawnIn } from "../redraw.js";
import { sayOf, signed } from "../signs.js";

export const name = "health";
export const needs = null;

const STATEMENTS = `query($locker: ID!) { lockerStatements(lockerId: $locker) {
  type applied newest isBehind } }`;

const CLOCKS = { SYNCED: "●", DRIFTING: "△", UNTRUSTED: "▲" };

/**
 * @param {HTMLElement} place
 * @param {import("../console.js").Context} context
 */
export function show(place, { onState, isCurrent }) {
  const cards = el("div.stack");
  place.append(cards);
  /** @type {Map<string, HTMLElement>} what is known of each until it is fetched anew */
  const known = new Map();
  const cardOf = (/** @type {any} */ locker) => {
    const statements = known.get(locker.id) ?? el("div");
    known.set(locker.id, statements);
    fillStatements(statements, locker.id, isCurrent);
    return card(locker, statements);
  };
  const none = () => el("p.sheet", {}, say("wall.none"));
  const draw = drawnIn(cards, (all) => (all.length === 0 ? [none()] : all.map(cardOf)), {
    isTimed: true,
  });
  onState(({ lockers }) => draw(lockers.map(({ compartments: _, ...locker }) => locker)));
}

/**
 * @param {any} locker
 * @param {HTMLElement} statements
 */
function card(locker, statements) {
  const { serial, lockerId, state, lastFactAt, timeQuality, hasKeypad } = locker;
  return el(
    "section.sheet",
    { "aria-label": serial },
    el("h2", {}, serial),
    el(
      "dl.facts",
      {},
      ...fact("health.state", sayOf("locker", state)),
      ...fact("health.id", lockerId),
      ...fact(
        "health.last",
        lastFactAt ? `${sayTime(lastFactAt)}, ${sayUntil(lastFactAt)}` : say("health.never"),
      ),
      ...fact("health.clock", timeQuality ? clockOf(timeQuality) : say("health.never")),
      ...fact("health.keypad", say(hasKeypad ? "console.yes" : "console.no")),
    ),
    statements,
  );
}

/** @param {string} quality */
const clockOf = (quality) =>
  signed(CLOCKS[/** @type {keyof typeof CLOCKS} */ (quality)] ?? "?", sayOf("clock", quality));

/** @param {string} key @param {string | Node} value */
const fact = (key, value) => [el("dt", {}, say(key)), el("dd", {}, value)];

/**
 * @param {HTMLElement} place
 * @param {string} locker
 * @param {() => boolean} isCurrent
 */
async function fillStatements(place, locker, isCurrent) {
  try {
    const progress = await ask(STATEMENTS, { locker }, "lockerStatements");
    if (isCurrent()) fill(place, progress ? tableOf(progress) : null);
  } catch (error) {
    tellFailure(place, error);
  }
}

/** @param {any[]} progress */
const tableOf = (progress) =>
  el(
    "table",
    {},
    el("caption", {}, say("health.statements")),
    el(
      "thead",
      {},
      el(
        "tr",
        {},
        ...["kind", "applied", "newest", "news"].map((key) =>
          el("th", { scope: "col" }, say(`health.${key}`)),
        ),
      ),
    ),
    el(
      "tbody",
      {},
      ...progress.map(({ type, applied, newest, isBehind }) =>
        el(
          "tr",
          {},
          el("th", { scope: "row" }, sayOf("statement", type)),
          el("td", {}, applied),
          el("td", {}, newest),
          el(
            "td",
            {},
            isBehind ? signed("△", say("health.behind")) : signed("●", say("health.current")),
          ),
        ),
      ),
    ),
  );
