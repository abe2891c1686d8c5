/** Open incidents, the oldest first: what is wrong, until when, and what to do next. */

import { el } from "../../kit/dom.js";
import { say, sayTime, sayUntil } from "../../kit/words.js";
import { resolveIncident } from "../acts.js";
import { askAndAct, reasonField } from "../dialogs.js";
import { drawnIn } from "../redraw.js";
import { sayOf, severityOf } from "../signs.js";

export const name = "incidents";
export const needs = "incidents";

/** @param {import("../feed.js").State} state */
export const count = ({ incidents }) => incidents.rows.length;

/**
 * @param {HTMLElement} place
 * @param {import("../console.js").Context} context
 */
export function show(place, { onState }) {
  const list = el("div.stack");
  place.append(list);
  const cards = (/** @type {import("../feed.js").Page} */ { rows, hasMore }) => [
    rows.length === 0 ? el("p.sheet", {}, say("incidents.none")) : null,
    ...rows.map(card),
    hasMore ? el("p.faint", {}, say("console.more.than", { count: rows.length })) : null,
  ];
  const draw = drawnIn(list, cards, { isTimed: true });
  onState(({ incidents }) => draw(incidents));
}

/** @param {any} incident */
function card(incident) {
  const { id, kind, severity, openedAt, dueAt, journalSeq, detail, nextSteps } = incident;
  const isLate = Date.parse(dueAt) < Date.now();
  const due = say(isLate ? "incidents.late" : "incidents.due", { when: sayUntil(dueAt) });
  return el(
    "article.sheet",
    { "aria-label": sayOf("incident", kind) },
    el("h2", {}, sayOf("incident", kind)),
    el("p", {}, severityOf(severity), ` · ${sayTime(openedAt)}`),
    el(isLate ? "p.note.bad" : "p", {}, due),
    detail ? el("p", {}, detail) : null,
    journalSeq === null
      ? null
      : el("p.faint.small", {}, say("incidents.entry", { seq: journalSeq })),
    nextSteps.length > 0 ? stepsOf(nextSteps) : null,
    el(
      "div.row",
      {},
      el(
        "button.button",
        { "data-key": id, onclick: () => resolve(incident) },
        say("incidents.resolve"),
      ),
    ),
  );
}

/** @param {string[]} steps */
const stepsOf = (steps) =>
  el(
    "div",
    {},
    el("h3", {}, say("incidents.next")),
    el("ol.steps", {}, ...steps.map((step) => el("li", {}, sayOf("step", step)))),
  );

/** @param {any} incident */
const resolve = ({ id, kind, detail }) =>
  askAndAct({
    title: say("incidents.resolve"),
    lead: [sayOf("incident", kind), detail].filter(Boolean).join(": "),
    fields: [reasonField(say("incidents.outcome"))],
    async work({ reason }) {
      await resolveIncident({ incident: id, reason });
      return say("incidents.resolved");
    },
  });
