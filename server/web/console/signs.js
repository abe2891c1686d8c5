/** States as a sign and a word: never as a colour alone. */

import { el } from "../kit/dom.js";
import { isSaid, say, sayUntil } from "../kit/words.js";

const DOORS = {
  AVAILABLE: "○",
  RESERVED: "◔",
  OCCUPIED: "●",
  DOOR_OPEN: "◨",
  PREPARING: "◒",
  CLEANING_DUE: "◇",
  SANITISING: "◈",
  UNKNOWN: "?",
  QUARANTINED: "⚑",
  CLIMATE_FAULT: "▲",
  OUT_OF_SERVICE: "✕",
};

/** The states of a compartment, the best first. */
export const DOOR_STATES = Object.keys(DOORS);

const LINKS = { joining: "◌", live: "●", broken: "▲" };
const SEVERITIES = { CRITICAL: "▲▲", HIGH: "▲", NORMAL: "△" };

/**
 * @param {string} sign
 * @param {string} word
 * @returns {HTMLElement} a sign that is not read out, and its word
 */
export const signed = (sign, word) =>
  el("span.signed", {}, el("span.sign", { "aria-hidden": "true" }, sign), ` ${word}`);

/** @param {string} status @returns {HTMLElement} */
export const doorState = (status) =>
  signed(DOORS[/** @type {keyof typeof DOORS} */ (status)] ?? "?", sayOf("door.state", status));

/** @param {string} severity @returns {HTMLElement} */
export const severityOf = (severity) =>
  signed(
    SEVERITIES[/** @type {keyof typeof SEVERITIES} */ (severity)] ?? "△",
    sayOf("severity", severity),
  );

/**
 * A value of the API in words; as it is if the server is newer than these words.
 * @param {string} family
 * @param {string} value
 */
export function sayOf(family, value) {
  const key = `${family}.${value}`;
  return isSaid(key) ? say(key) : value;
}

/** @param {{link: import("./feed.js").Link, heardAt: number}} feed @returns {HTMLElement} */
export function sayLink({ link, heardAt }) {
  if (link === "live") return signed(LINKS.live, say("console.live"));
  if (link === "joining") return signed(LINKS.joining, say("console.joining"));
  const when = heardAt ? sayUntil(heardAt) : "–";
  return el("p.note.warn", {}, signed(LINKS.broken, say("console.broken", { when })));
}
