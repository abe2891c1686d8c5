/** When a hub is open, and the days on which it is shut, which move people's time to collect. */

import { el } from "../../kit/dom.js";
import { say, sayTime, sayWeekday } from "../../kit/words.js";
import { updateHours } from "../acts.js";
import { Mistaken, askAndAct } from "../dialogs.js";
import { drawnIn } from "../redraw.js";
import { Unreadable, readSpans, writeSpans } from "../spans.js";

export const name = "hours";
export const needs = null;

const WEEK = [0, 1, 2, 3, 4, 5, 6];

/**
 * @param {HTMLElement} place
 * @param {import("../console.js").Context} context
 */
export function show(place, { onState, may }) {
  const content = el("div.stack");
  place.append(content);
  const mayWrite = may("hours");
  const draw = drawnIn(content, (hub) => [
    nowOf(hub),
    weekOf(hub, mayWrite),
    closuresOf(hub, mayWrite),
  ]);
  onState(({ hub }) => draw(hub));
}

/** @param {any} hub */
const nowOf = ({ isOpen, nextOpeningAt, timeZone }) =>
  el(
    "div.sheet",
    {},
    el("p", {}, isOpen ? say("hours.open") : say("hours.shut", { when: whenOf(nextOpeningAt) })),
    el("p.faint.small", {}, say("hours.zone", { zone: timeZone })),
  );

/** @param {string | null} at */
const whenOf = (at) => (at ? sayTime(at) : "–");

/**
 * @param {any} hub
 * @param {boolean} mayWrite
 */
function weekOf(hub, mayWrite) {
  const change = () => changeWeek(hub);
  return el(
    "section.sheet",
    {},
    el("h2", {}, say("hours.week")),
    hub.openingHours.length === 0
      ? el("p", {}, say("hours.always"))
      : el(
          "dl.facts",
          {},
          ...WEEK.flatMap((day) => [
            el("dt", {}, sayWeekday(day)),
            el("dd", {}, writeSpans(hub.openingHours, day) || say("hours.closed")),
          ]),
        ),
    mayWrite &&
      el(
        "div.row",
        {},
        el("button.button", { "data-key": "week", onclick: change }, say("hours.change")),
      ),
  );
}

/**
 * @param {any} hub
 * @param {boolean} mayWrite
 */
function closuresOf(hub, mayWrite) {
  const add = () => addClosure(hub);
  return el(
    "section.sheet",
    {},
    el("h2", {}, say("hours.closures")),
    hub.closures.length === 0
      ? el("p.faint", {}, say("hours.closures.none"))
      : el(
          "ul.rows",
          {},
          ...hub.closures.map((/** @type {any} */ one) => closure(hub, one, mayWrite)),
        ),
    mayWrite &&
      el("div.row", {}, el("button.button", { "data-key": "add", onclick: add }, say("hours.add"))),
  );
}

/**
 * @param {any} hub
 * @param {any} one
 * @param {boolean} mayWrite
 */
function closure(hub, one, mayWrite) {
  const { firstDay, lastDay, reason, shiftsDeadlines } = one;
  const days = firstDay === lastDay ? firstDay : `${firstDay} – ${lastDay}`;
  const drop = () => dropClosure(hub, one, days);
  return el(
    "li",
    {},
    el("p", {}, el("strong", {}, days), reason ? ` ${reason}` : ""),
    el("p.faint.small", {}, say(shiftsDeadlines ? "hours.shifts" : "hours.shifts.not")),
    mayWrite && el("button.button", { "data-key": days, onclick: drop }, say("hours.drop")),
  );
}

/**
 * @param {any} hub
 * @param {{week?: any[], closures?: any[]}} changed
 */
const write = (hub, { week = hub.openingHours, closures = hub.closures }) =>
  updateHours({ hub: hub.id, week, closures });

/** @param {any} hub */
const changeWeek = (hub) =>
  askAndAct({
    title: say("hours.change"),
    lead: say("hours.how"),
    fields: WEEK.map((day) => ({
      name: String(day),
      label: sayWeekday(day),
      value: writeSpans(hub.openingHours, day),
      isOptional: true,
    })),
    async work(values) {
      await write(hub, { week: WEEK.flatMap((day) => readDay(day, values[day])) });
      return say("hours.changed");
    },
  });

/** @param {number} day @param {string} text */
function readDay(day, text) {
  try {
    return readSpans(day, text);
  } catch (error) {
    if (!(error instanceof Unreadable)) throw error;
    throw new Mistaken(say("hours.unreadable", { day: sayWeekday(day), text: error.message }));
  }
}

/** @param {any} hub */
const addClosure = (hub) =>
  askAndAct({
    title: say("hours.add"),
    fields: [
      { name: "firstDay", label: say("hours.first"), kind: "date" },
      { name: "lastDay", label: say("hours.last"), kind: "date" },
      { name: "reason", label: say("hours.why"), isOptional: true },
      {
        name: "shiftsDeadlines",
        label: say("hours.shifts"),
        kind: "check",
        value: "yes",
        isOptional: true,
      },
    ],
    async work(added) {
      await write(hub, { closures: [...hub.closures, { planned: true, ...added }] });
      return say("hours.changed");
    },
  });

/** @param {any} hub @param {any} dropped @param {string} days */
const dropClosure = (hub, dropped, days) =>
  askAndAct({
    title: say("hours.drop"),
    lead: days,
    fields: [],
    async work() {
      await write(hub, {
        closures: hub.closures.filter((/** @type {any} */ one) => one !== dropped),
      });
      return say("hours.changed");
    },
  });
