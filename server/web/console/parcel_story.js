/** One parcel as staff may know it: what happened, why its time stood still, and its receipt. */

import { ask } from "../kit/account.js";
import { el, fill } from "../kit/dom.js";
import { say, sayTime } from "../kit/words.js";
import { openDialog } from "./dialogs.js";
import { tellFailure } from "./failing.js";
import { saveBytes } from "./files.js";
import { sayOf } from "./signs.js";

const STORY = `query($id: ID!) { parcel(id: $id) { trackingNo widthMm heightMm depthMm
  history(first: 100) { edges { node { number at state party reason journalSeq } } }
  pauses { cause startedAt endedAt reason }
  disputes { openedAt reason outcome resolution } } }`;
const RECEIPT = `query($parcel: ID!) { receipt(parcelId: $parcel) { __typename
  ... on Receipt { receipt } ... on Problem { code message } } }`;

/**
 * @param {any} parcel
 * @param {boolean} hasReceipts whether they may be read
 */
export async function showStory(parcel, hasReceipts) {
  const told = el("div", { role: "status" }, el("p.faint", {}, say("console.loading")));
  const story = el("div.stack");
  const title = [parcel.code, parcel.recipientName].filter(Boolean).join(" · ");
  openDialog(title, story, told);
  try {
    const found = await ask(STORY, { id: parcel.id }, "parcel");
    fill(told);
    fill(
      story,
      el("p.faint.code", {}, found.trackingNo),
      el("p.faint", {}, `${found.widthMm} × ${found.heightMm} × ${found.depthMm} mm`),
      ...found.disputes.map(dispute),
      ...found.pauses.map(pause),
      el("h3", {}, say("story.history")),
      el("ol.history", {}, ...found.history.edges.map((/** @type {any} */ { node }) => line(node))),
      hasReceipts && receiptOf(parcel, told),
    );
  } catch (error) {
    tellFailure(told, error);
  }
}

/** @param {any} event */
const line = ({ at, state, party, reason, journalSeq }) =>
  el(
    "li",
    {},
    el("p", {}, sayOf("state", state)),
    el(
      "p.faint.small",
      {},
      [
        sayTime(at),
        sayOf("party", party),
        reason,
        journalSeq === null ? null : say("incidents.entry", { seq: journalSeq }),
      ]
        .filter(Boolean)
        .join(" · "),
    ),
  );

/** @param {any} pause */
function pause({ cause, startedAt, endedAt, reason }) {
  const times = `${sayTime(startedAt)} – ${endedAt ? sayTime(endedAt) : "…"}`;
  const why = [say("parcel.paused", { cause: sayOf("pause", cause) }), times, reason];
  return el("p.note.warn", {}, why.filter(Boolean).join(" · "));
}

/** @param {any} dispute */
function dispute({ openedAt, reason, outcome, resolution }) {
  const end = outcome === null ? say("story.pending") : sayOf("state", outcome);
  const parts = [
    say("story.dispute"),
    sayOf("dispute", reason),
    sayTime(openedAt),
    end,
    resolution,
  ];
  return el("p.note.bad", {}, parts.filter(Boolean).join(" · "));
}

/**
 * @param {any} parcel
 * @param {HTMLElement} told
 */
function receiptOf(parcel, told) {
  const save = async () => {
    try {
      const { receipt } = await ask(RECEIPT, { parcel: parcel.id }, "receipt");
      const name = `${parcel.code}.receipt`;
      saveBytes(name, receipt);
      fill(told, el("p.note.good", {}, say("story.saved", { name })));
    } catch (error) {
      tellFailure(told, error);
    }
  };
  return el(
    "div.row",
    {},
    el("button.button", { type: "button", onclick: save }, say("parcel.receipt")),
  );
}
