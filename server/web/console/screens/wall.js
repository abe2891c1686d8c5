/** The live wall: each locker's doors as somebody sees them who stands before it. */

import { ask } from "../../kit/account.js";
import { el, fill } from "../../kit/dom.js";
import { say, sayTime } from "../../kit/words.js";
import { quarantine, recordInspection, returnToService, takeOutOfService } from "../acts.js";
import { askAndAct, openDialog, reasonField } from "../dialogs.js";
import { tellFailure } from "../failing.js";
import { drawnIn } from "../redraw.js";
import { DOOR_STATES, doorState, sayOf } from "../signs.js";

export const name = "wall";
export const needs = null;

const SIDES = ["LEFT", "CENTRE", "RIGHT"];

const HISTORY = `query($locker: ID!, $number: Int!) {
  compartmentHistory(locker: $locker, number: $number, first: 10) {
    edges { node { at before after reason byPerson } } } }`;

/**
 * @param {HTMLElement} place
 * @param {import("../console.js").Context} context
 */
export function show(place, context) {
  const summary = el("div");
  const lockers = el("div.stack");
  const changed = el("p.heard", { role: "status" });
  place.append(summary, lockers, changed);
  const drawSummary = drawnIn(summary, (counts) => [summaryOf(counts)]);
  const drawLockers = drawnIn(lockers, (shown) => cabinets(shown, context));
  /** @type {Map<string, string>} */
  let before = new Map();
  context.onState(({ lockers: all, here }) => {
    const now = statesOf(all);
    if (before.size > 0) tellChanges(changed, before, now);
    before = now;
    drawSummary(countsOf(all));
    drawLockers({
      all: all.map(({ lastFactAt: _, ...locker }) => locker),
      inside: insideOf(here.rows),
    });
  });
}

/** @param {any[]} lockers @returns {Map<string, string>} the state of each door by its name */
const statesOf = (lockers) =>
  new Map(
    lockers.flatMap(({ serial, compartments }) =>
      (compartments ?? []).map((/** @type {any} */ one) => [`${serial} ${one.label}`, one.status]),
    ),
  );

/**
 * For those who hear the page: what has changed, and no more.
 * @param {HTMLElement} place
 * @param {Map<string, string>} before
 * @param {Map<string, string>} now
 */
function tellChanges(place, before, now) {
  const news = [...now].filter(([door, status]) => before.get(door) !== status);
  if (news.length === 0) return;
  const sentences = news.map(([door, status]) => `${door}: ${sayOf("door.state", status)}`);
  fill(place, sentences.join("; "));
}

/** @param {any[]} lockers @returns {[string, number][]} */
function countsOf(lockers) {
  const all = lockers.flatMap(({ compartments }) => compartments ?? []);
  return DOOR_STATES.map((status) => [status, all.filter((one) => one.status === status).length]);
}

/** @param {[string, number][]} counts */
const summaryOf = (counts) =>
  el(
    "ul.summary",
    { "aria-label": say("wall.summary") },
    ...counts
      .filter(([, count]) => count > 0)
      .map(([status, count]) => el("li", {}, el("strong", {}, `${count} `), doorState(status))),
  );

/** @param {any[]} parcels @returns {Record<string, any[]>} what lies behind a door */
function insideOf(parcels) {
  /** @type {Record<string, any[]>} */
  const inside = {};
  for (const { code, recipientName, state, location } of parcels) {
    if (!location.locker || !location.compartment) continue;
    const door = `${location.locker.id} ${location.compartment.number}`;
    (inside[door] ??= []).push({ code, recipientName, state });
  }
  return inside;
}

/**
 * @param {{all: any[], inside: Record<string, any[]>}} shown
 * @param {import("../console.js").Context} context
 */
function cabinets({ all, inside }, context) {
  if (all.length === 0) return [el("p.sheet", {}, say("wall.none"))];
  return all.map((locker) =>
    el(
      "section.sheet",
      { "aria-label": locker.serial },
      el("h2", {}, `${locker.serial} `, el("span.faint.small", {}, sayOf("locker", locker.state))),
      locker.compartments
        ? cabinet(locker, inside, context)
        : el("p.faint", {}, say("wall.not.yours")),
    ),
  );
}

/**
 * @param {any} locker
 * @param {Record<string, any[]>} inside
 * @param {import("../console.js").Context} context
 */
function cabinet(locker, inside, context) {
  const doors = [...locker.compartments].sort(
    (one, other) => columnOf(one) - columnOf(other) || one.row - other.row,
  );
  const columns = [...new Set(doors.map(columnOf))];
  const made = el("ul.cabinet");
  made.style.setProperty("--columns", String(columns.length));
  for (const door of doors) {
    const parcels = inside[`${locker.id} ${door.number}`] ?? [];
    const open = () => showDoor(locker, door, { parcels, context });
    const tile = el(
      "button.tile",
      {
        type: "button",
        onclick: open,
        "data-key": `${locker.id} ${door.number}`,
        "data-status": door.status,
      },
      el("strong", {}, door.label),
      doorState(door.status),
      el("span.small.faint", {}, `${door.sizeClass} · ${sayOf("zone", door.climateZone)}`),
    );
    const item = el("li", {}, tile);
    item.style.gridColumn = String(columns.indexOf(columnOf(door)) + 1);
    item.style.gridRow = String(door.row);
    made.append(item);
  }
  return made;
}

/** @param {{side: string, column: number}} door */
const columnOf = (door) => SIDES.indexOf(door.side) * 100 + door.column;

/**
 * @param {any} locker
 * @param {any} door
 * @param {{parcels: any[], context: import("../console.js").Context}} more
 */
function showDoor(locker, door, { parcels, context: { may } }) {
  const history = el("div", { role: "status" });
  const dialog = openDialog(
    say("door.title", { label: door.label, serial: locker.serial }),
    el("p", {}, doorState(door.status)),
    el("p.faint", {}, placeOf(door)),
    ...parcels.map(({ code, recipientName, state }) =>
      el("p", {}, [code, recipientName, sayOf("state", state)].filter(Boolean).join(" · ")),
    ),
    el("div.row", {}, ...buttonsOf(locker, door, { may, close: () => dialog.close() })),
    may("inspect") && history,
  );
  if (may("inspect")) fillHistory(history, locker.id, door.number);
}

/** @param {any} door */
const placeOf = (door) =>
  say("door.place", {
    side: sayOf("side", door.side),
    column: door.column,
    row: door.row,
    width: door.widthMm,
    height: door.heightMm,
    depth: door.depthMm,
    sill: door.sillHeightMm,
  });

/**
 * @param {any} locker
 * @param {any} door
 * @param {{may: import("../console.js").Context["may"], close: () => void}} how
 */
function buttonsOf(locker, door, { may, close }) {
  const isBroken = door.status === "OUT_OF_SERVICE";
  const isQuarantined = door.status === "QUARANTINED";
  const why = { fields: [reasonField()], read: (/** @type {any} */ { reason }) => ({ reason }) };
  const seen = {
    fields: [foundField(), reasonField(say("door.inspected.note"))],
    read: (/** @type {any} */ { found, reason }) => ({ found, note: reason }),
  };
  const offered = [
    { words: "quarantine", act: quarantine, if: may("inspect") && !isBroken && !isQuarantined },
    {
      words: "inspected",
      act: recordInspection,
      form: seen,
      if: may("inspect") && door.status === "UNKNOWN",
    },
    { words: "return", act: returnToService, if: may("closeDoor") && isQuarantined },
    { words: "broken", act: takeOutOfService, if: may("closeDoor") && !isBroken },
  ];
  return offered
    .filter((one) => one.if)
    .map(({ words, act, form: { fields, read } = why }) => {
      const begin = () => {
        close();
        askAndAct({
          title: say(`door.${words}`),
          lead: `${locker.serial}, ${door.label}. ${say(`door.${words}.lead`)}`,
          fields,
          async work(values) {
            await act({ locker: locker.id, number: door.number, ...read(values) });
            return say(`door.${words}.done`, { label: door.label });
          },
        });
      };
      return el("button.button", { type: "button", onclick: begin }, say(`door.${words}`));
    });
}

/** @returns {import("../dialogs.js").Field} */
const foundField = () => ({
  name: "found",
  label: say("door.found"),
  kind: "choice",
  options: { EMPTY: say("found.EMPTY"), OCCUPIED: say("found.OCCUPIED") },
});

/**
 * @param {HTMLElement} place
 * @param {string} locker
 * @param {number} number
 */
async function fillHistory(place, locker, number) {
  fill(place, el("p.faint", {}, say("console.loading")));
  try {
    const { edges } = await ask(HISTORY, { locker, number }, "compartmentHistory");
    fill(place, el("h3", {}, say("door.history")), historyOf(edges));
  } catch (error) {
    tellFailure(place, error);
  }
}

/** @param {any[]} edges */
function historyOf(edges) {
  if (edges.length === 0) return el("p.faint", {}, say("door.history.none"));
  return el(
    "ul.history",
    {},
    ...edges.map(({ node: { at, before, after, reason } }) =>
      el(
        "li",
        {},
        el("p", {}, `${valueOf(before)} → ${valueOf(after)}`),
        el("p.faint.small", {}, [sayTime(at), reason].filter(Boolean).join(" · ")),
      ),
    ),
  );
}

/** @param {string} value one of any of a compartment's states @returns {string} */
const valueOf = (value) => sayOf("door.state", value);
