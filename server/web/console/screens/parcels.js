/** Parcels that are expected at a hub, and those that are there: behind a door or at the counter. */

import { el } from "../../kit/dom.js";
import { say, sayTime, sayUntil } from "../../kit/words.js";
import { extendPickup, handOver, recordArrival, recordAssistance, resolveHold } from "../acts.js";
import { askAndAct, reasonField } from "../dialogs.js";
import { showStory } from "../parcel_story.js";
import { drawnIn } from "../redraw.js";
import { sayOf } from "../signs.js";

export const name = "parcels";
export const needs = null;

const PROOFS = ["PASS", "IDENTITY_CARD", "PASSPORT", "DRIVING_LICENCE", "RESIDENCE_PERMIT"];
const WHYS = ["OVERSIZED", "AGE_CHECK", "NO_CONSENT", "OVERFLOW"];
const HOLD_OUTCOMES = ["READY_FOR_PICKUP", "AT_HUB"];
const EXTENDABLE = ["READY_FOR_PICKUP", "AT_HUB", "EXPIRED"];

/** @param {import("../feed.js").State} state */
export const count = ({ here }) => here.rows.length;

/**
 * @param {HTMLElement} place
 * @param {import("../console.js").Context} context
 */
export function show(place, { onState, may }) {
  const tables = el("div.stack");
  place.append(tables);
  const sections = (
    /** @type {Record<string, import("../feed.js").Page>} */ { here, expected },
  ) => [section("here", here, may), section("expected", expected, may)];
  const draw = drawnIn(tables, sections, { isTimed: true });
  onState(({ here, expected }) => draw({ here, expected }));
}

/** @typedef {import("../console.js").Context["may"]} May */

/**
 * @param {string} which
 * @param {import("../feed.js").Page} page
 * @param {May} may
 */
function section(which, { rows, hasMore }, may) {
  return el(
    "section.stack",
    {},
    el("h2", {}, say(`parcels.${which}`)),
    rows.length === 0
      ? el("p.sheet", {}, say(`parcels.${which}.none`))
      : el("ul.rows", {}, ...rows.map((parcel) => row(parcel, may))),
    hasMore ? el("p.faint", {}, say("console.more.than", { count: rows.length })) : null,
  );
}

/**
 * @param {any} parcel
 * @param {May} may
 */
const row = (parcel, may) =>
  el(
    "li.sheet",
    {},
    el(
      "div",
      {},
      el("p", {}, el("strong.code", {}, parcel.code), ` ${parcel.recipientName ?? ""}`),
      el("p", {}, `${sayOf("state", parcel.state)} · ${whereOf(parcel)}`),
      deadlineOf(parcel),
      conditionsOf(parcel),
    ),
    el("div.row", {}, ...buttonsOf(parcel, may), storyOf(parcel, may)),
  );

/** @param {any} parcel */
function whereOf({ location: { kind, compartment } }) {
  if (compartment) return say("parcels.door", { label: compartment.label });
  return sayOf("place", kind);
}

/** @param {any} parcel */
function deadlineOf({ pauseCause, availableThrough }) {
  if (pauseCause)
    return el("p.note.warn", {}, say("parcel.paused", { cause: sayOf("pause", pauseCause) }));
  if (!availableThrough) return null;
  const left = { time: sayTime(availableThrough), left: sayUntil(availableThrough) };
  return el("p.faint", {}, say("parcel.until", left));
}

/** @param {any} parcel */
function conditionsOf({ ageRestricted, codAmount, codCurrency, climateZone }) {
  const said = [
    ageRestricted && say("parcels.age"),
    codAmount !== null && say("parcels.cod", { amount: money(codAmount, codCurrency) }),
    climateZone !== "AMBIENT" && sayOf("zone", climateZone),
  ].filter(Boolean);
  return said.length > 0 ? el("p.note.warn", {}, said.join(" · ")) : null;
}

/** @param {number} amount in hundredths @param {string} currency */
const money = (amount, currency) => `${(amount / 100).toFixed(2)} ${currency}`;

/**
 * @param {any} parcel
 * @param {May} may
 */
function buttonsOf(parcel, may) {
  const { state, pauseCause } = parcel;
  const offered = [
    { words: "hand", begin: hand, if: may("counter") && state === "AT_HUB" },
    { words: "arrive", begin: arrive, if: may("counter") && state === "OUT_FOR_DELIVERY" },
    { words: "help", begin: help, if: may("counter") && state === "READY_FOR_PICKUP" },
    { words: "hold", begin: decide, if: may("holds") && state === "ON_HOLD" },
    {
      words: "extend",
      begin: extend,
      if: may("extend") && EXTENDABLE.includes(state) && !pauseCause,
    },
  ];
  return offered
    .filter((one) => one.if)
    .map(({ words, begin }) => {
      const traits = { "data-key": `${parcel.id} ${words}`, onclick: () => begin(parcel) };
      return el("button.button", traits, say(`parcels.${words}`));
    });
}

/**
 * @param {any} parcel
 * @param {May} may
 */
const storyOf = (parcel, may) =>
  el(
    "button.button",
    {
      "data-key": `${parcel.id} story`,
      "aria-label": say("story.of", { code: parcel.code }),
      onclick: () => showStory(parcel, may("journal")),
    },
    say("story.history"),
  );

/** @param {string} family @param {string[]} values */
const optionsOf = (family, values) =>
  Object.fromEntries(values.map((value) => [value, sayOf(family, value)]));

/** @param {any} parcel */
const titled = ({ code, recipientName }) => [code, recipientName].filter(Boolean).join(" · ");

/** @param {any} parcel */
function hand(parcel) {
  const owed = parcel.codAmount !== null;
  askAndAct({
    title: say("parcels.hand"),
    lead: titled(parcel),
    fields: [
      {
        name: "proof",
        label: say("hand.proof"),
        kind: "choice",
        options: optionsOf("proof", PROOFS),
      },
      { name: "digits", label: say("hand.digits"), isOptional: true },
      ...(parcel.ageRestricted ? [check("ageChecked", say("hand.age"))] : []),
      ...(owed ? [check("codPaid", say("hand.paid"))] : []),
    ],
    async work({ proof, digits, ageChecked = false, codPaid = false }) {
      const pass = proof === "PASS" ? digits.replace(/\s/g, "") : null;
      await handOver({ parcel: parcel.id, proof, digits: pass, ageChecked, codPaid });
      return say("parcels.hand.done", { code: parcel.code });
    },
  });
}

/** @param {string} name @param {string} label */
const check = (name, label) => ({ name, label, kind: /** @type {const} */ ("check") });

/** @param {any} parcel */
function arrive(parcel) {
  askAndAct({
    title: say("parcels.arrive"),
    lead: titled(parcel),
    fields: [
      { name: "why", label: say("arrive.why"), kind: "choice", options: optionsOf("why", WHYS) },
    ],
    async work({ why }) {
      await recordArrival({ parcel: parcel.id, why });
      return say("parcels.arrive.done", { code: parcel.code });
    },
  });
}

/** @param {any} parcel */
function help(parcel) {
  askAndAct({
    title: say("parcels.help"),
    lead: `${titled(parcel)}. ${say("parcels.help.lead")}`,
    fields: [],
    async work() {
      await recordAssistance({ parcel: parcel.id });
      return say("parcels.help.done", { code: parcel.code });
    },
  });
}

/** @param {any} parcel */
function decide(parcel) {
  const options = optionsOf("hold", HOLD_OUTCOMES);
  askAndAct({
    title: say("parcels.hold"),
    lead: titled(parcel),
    fields: [{ name: "outcome", label: say("hold.where"), kind: "choice", options }, reasonField()],
    async work({ outcome, reason }) {
      await resolveHold({ parcel: parcel.id, outcome, reason });
      return say("parcels.hold.done", { code: parcel.code });
    },
  });
}

/** @param {any} parcel */
function extend(parcel) {
  askAndAct({
    title: say("parcels.extend"),
    lead: titled(parcel),
    fields: [],
    async work() {
      await extendPickup({ parcel: parcel.id, deadlineVersion: parcel.deadlineVersion });
      return say("parcels.extend.done", { code: parcel.code });
    },
  });
}
