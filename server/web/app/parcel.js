/** One parcel: where it is, until when, what can be done, and what happened. */

import { SignedOut, Unreachable } from "../kit/account.js";
import { el, fill } from "../kit/dom.js";
import { act, offlineNote, sayError, tellError } from "../kit/telling.js";
import { say, sayTime } from "../kit/words.js";
import { isOpenable } from "./bundles.js";
import { disputesOf, disputeSheet, isDisputable, receiptSheet } from "./dispute.js";
import { showDoor } from "./door.js";
import { deadlineOf } from "./list.js";
import { choose, extend, fetchParcel, fetchPass, fetchWindows, knownParcels } from "./parcels.js";
import { pictureOf } from "./picture.js";
import { isMovable, redirectSheet } from "./redirect.js";

/**
 * @param {HTMLElement} place
 * @param {{id: string, isCurrent: () => boolean, show: () => void}} context
 */
export async function showParcel(place, { id, isCurrent, show }) {
  const told = el("div", { role: "status" });
  const [facts, door, rest] = [el("div.stack"), el("div.stack"), el("div.stack")];
  fill(place, el("a", { href: "#/" }, `← ${say("back")}`), told, facts, door, rest);
  const known = await knownParcels();
  const kept = known?.parcels.find((parcel) => parcel.id === id);
  if (kept) {
    fill(facts, ...factsOf(kept));
    await drawDoor(door, kept);
  }
  try {
    const [parcel, windows] = await Promise.all([fetchParcel(id), fetchWindows(id)]);
    if (!isCurrent()) return;
    if (!parcel) return void fill(told, el("p.note.warn", {}, say("parcels.none")));
    fill(facts, ...factsOf(parcel));
    fill(rest, ...restOf(parcel, windows, show));
    await drawDoor(door, parcel);
  } catch (error) {
    if (error instanceof SignedOut) throw error;
    if (error instanceof Unreachable && known) fill(told, offlineNote(known.fetchedAt));
    else tellError(told, sayError(error));
  }
}

/**
 * Draws the door once: whoever is opening it is not disturbed by what is fetched meanwhile.
 * @param {HTMLElement} door
 * @param {any} parcel
 */
async function drawDoor(door, parcel) {
  if (!door.hasChildNodes() && isOpenable(parcel)) await showDoor(door, parcel);
}

/** @param {any} parcel */
const factsOf = (parcel) => [
  el("h1", {}, say(`state.${parcel.state}`)),
  el("div.sheet", {}, deadlineOf(parcel), safeOf(parcel), whereOf(parcel)),
];

/**
 * What is known and can be done only with a network.
 * @param {any} parcel
 * @param {any[]} windows
 * @param {() => void} show
 */
const restOf = (parcel, windows, show) => [
  windows.length > 0 && windowsOf(parcel, windows, show),
  isOpenable(parcel) && actionsOf(parcel, show),
  isMovable(parcel) && redirectSheet(parcel, show),
  ...disputesOf(parcel),
  parcel.collectedAt && receiptSheet(parcel),
  isDisputable(parcel, Date.now()) && disputeSheet(parcel, show),
  historyOf(parcel),
];

/** @param {any} parcel */
const safeOf = (parcel) =>
  parcel.safeUntil &&
  el("p.note.warn", {}, say("parcel.safe", { time: sayTime(parcel.safeUntil) }));

/** @param {any} parcel */
function whereOf({ location }) {
  const { hub, compartment, locker, words } = location;
  return el(
    "section.stack",
    {},
    el("h2", {}, say("parcel.where")),
    el("p", {}, compartment ? words : `${hub.name}, ${hub.street}, ${hub.city}`),
    compartment && pictureOf(compartment, locker?.compartments ?? null),
  );
}

/**
 * @param {any} parcel
 * @param {any[]} windows
 * @param {() => void} show
 */
function windowsOf(parcel, windows, show) {
  const told = el("div", { role: "status" });
  const rows = windows.map((window) => {
    const button = el("button.button", {}, say("parcel.choose"));
    button.addEventListener("click", () =>
      act(button, told, async () => {
        await choose(parcel.id, window);
        show();
        return say("parcel.chosen");
      }),
    );
    const isChosen = window.origin === "CHOSEN";
    return el(
      "div.row",
      {},
      el("p", {}, `${sayTime(window.start)} – ${sayTime(window.end)}`),
      el("p.faint.small", {}, isChosen ? say("parcel.chosen") : window.because),
      !isChosen && button,
    );
  });
  return el("section.sheet", {}, el("h2", {}, say("parcel.windows")), ...rows, told);
}

/**
 * @param {any} parcel
 * @param {() => void} show
 */
function actionsOf(parcel, show) {
  const told = el("div", { role: "status" });
  const more = el("button.button", {}, say("parcel.extend"));
  more.addEventListener("click", () =>
    act(more, told, async () => {
      const through = await extend(parcel);
      show();
      return say("parcel.extended", { time: sayTime(through) });
    }),
  );
  const pin = el("button.button", {}, say("parcel.pin"));
  pin.addEventListener("click", () =>
    act(pin, told, async () => {
      const pass = await fetchPass(parcel.id);
      return say("parcel.pin.told", {
        number: pass.compartment.number,
        pin: pass.pin,
        time: sayTime(pass.expiresAt),
      });
    }),
  );
  return el("section.sheet", {}, el("div.row", {}, more, pin), told);
}

/** @param {any} parcel */
function historyOf(parcel) {
  const lines = parcel.history.edges.map((/** @type {any} */ { node }) =>
    el(
      "li",
      {},
      el("p", {}, say(`state.${node.state}`)),
      el("p.faint.small", {}, sayTime(node.at)),
    ),
  );
  return el(
    "section.sheet",
    {},
    el("h2", {}, say("parcel.history")),
    el("ol.history", {}, ...lines),
  );
}
