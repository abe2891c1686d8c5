/** Drawing anew what changes under somebody's hands: the focus stays where it was. */

import { fill } from "../kit/dom.js";

const MINUTE_MS = 60_000;

/**
 * A place that is drawn anew when what it shows has changed, and only then.
 * @param {Element} place
 * @param {(shown: any) => (Node | false | null)[]} draw
 * @param {{isTimed?: boolean}} [how] whether it says how long something takes or is ago: that changes
 *   by the minute
 * @returns {(shown: unknown) => void}
 */
export function drawnIn(place, draw, { isTimed = false } = {}) {
  let before = "";
  return (shown) => {
    const minute = isTimed ? Math.floor(Date.now() / MINUTE_MS) : 0;
    const now = JSON.stringify([minute, shown]);
    if (now === before) return;
    before = now;
    const key = place.contains(document.activeElement) && focusKey(document.activeElement);
    fill(place, ...draw(shown));
    if (key) /** @type {HTMLElement | null} */ (findByKey(place, key))?.focus();
  };
}

/** @param {Element | null} element */
const focusKey = (element) => element?.getAttribute("data-key");

/** @param {Element} place @param {string} key */
const findByKey = (place, key) =>
  [...place.querySelectorAll("[data-key]")].find((one) => focusKey(one) === key) ?? null;
