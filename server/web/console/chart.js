/** A small chart of shares over time: the likely course as a line, what is possible as a band. */

import { el } from "../kit/dom.js";
import { shape, shapeOfText } from "./shapes.js";

const [WIDTH, HEIGHT] = [720, 220];
const [LEFT, RIGHT, TOP, BOTTOM] = [44, 8, 10, 26];
const SHARES = [0, 0.25, 0.5, 0.75, 1];

/**
 * @typedef {object} Slot
 * @property {number} from milliseconds
 * @property {number} to milliseconds
 * @property {number} mean 0 to 1
 * @property {number} low 0 to 1
 * @property {number} high 0 to 1
 */

/**
 * @param {Slot[]} slots in order, at least one
 * @param {{title: string, sayDay: (at: number) => string, sayShare: (share: number) => string}} words
 * @returns {HTMLElement} a picture that says its title; the numbers are for a table beside it
 */
export function chartOf(slots, { title, sayDay, sayShare }) {
  const [start, end] = [slots[0].from, slots[slots.length - 1].to];
  const x = (/** @type {number} */ at) =>
    LEFT + ((at - start) / (end - start)) * (WIDTH - LEFT - RIGHT);
  const y = (/** @type {number} */ share) => TOP + (1 - share) * (HEIGHT - TOP - BOTTOM);
  const picture = shape("svg", {
    viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
    role: "img",
    "aria-label": title,
  });
  for (const share of SHARES)
    picture.append(
      shape("line", { class: "grid", x1: LEFT, x2: WIDTH - RIGHT, y1: y(share), y2: y(share) }),
      shapeOfText(sayShare(share), { x: LEFT - 6, y: y(share) + 4, "text-anchor": "end" }),
    );
  for (const at of daysBetween(start, end))
    picture.append(
      shape("line", { class: "grid", x1: x(at), x2: x(at), y1: TOP, y2: HEIGHT - BOTTOM }),
      shapeOfText(sayDay(at), { x: x(at) + 4, y: HEIGHT - 8 }),
    );
  picture.append(
    shape("polygon", { class: "band", points: bandOf(slots, x, y) }),
    shape("polyline", { class: "course", points: courseOf(slots, "mean", x, y).join(" ") }),
  );
  return el("figure.chart", {}, picture);
}

/** @typedef {(value: number) => number} Scale */

/**
 * A line in steps, as each slot holds for its whole time.
 * @param {Slot[]} slots
 * @param {"mean" | "low" | "high"} which
 * @param {Scale} x
 * @param {Scale} y
 */
const courseOf = (slots, which, x, y) =>
  slots.flatMap((slot) =>
    [slot.from, slot.to].map((at) => `${round(x(at))},${round(y(slot[which]))}`),
  );

/** @param {Slot[]} slots @param {Scale} x @param {Scale} y */
const bandOf = (slots, x, y) =>
  [...courseOf(slots, "high", x, y), ...courseOf(slots, "low", x, y).reverse()].join(" ");

/** @param {number} value */
const round = (value) => Math.round(value * 10) / 10;

/** @param {number} start @param {number} end @returns {number[]} where days begin, as they do here */
function daysBetween(start, end) {
  const days = [];
  const day = new Date(start);
  day.setHours(24, 0, 0, 0);
  for (; day.getTime() < end; day.setDate(day.getDate() + 1)) days.push(day.getTime());
  return days;
}
