/** The list of parcels: the kept one at once, the fetched one as soon as it is there. */

import { Unreachable } from "../kit/account.js";
import { el, fill } from "../kit/dom.js";
import { say, sayTime, sayUntil } from "../kit/words.js";
import { isOpenable } from "./bundles.js";
import { fetchParcels, knownParcels } from "./parcels.js";
import { offlineNote, sayError, tellError } from "../kit/telling.js";

/**
 * @param {HTMLElement} place
 * @param {{isCurrent: () => boolean}} context
 */
export async function showList(place, { isCurrent }) {
  const told = el("div", { role: "status" });
  const list = el("div.stack");
  fill(place, el("h1", {}, say("parcels.title")), told, list);
  const known = await knownParcels();
  if (known) fill(list, draw(known.parcels));
  else fill(told, el("p.faint", {}, say("loading")));
  try {
    const fetched = await fetchParcels();
    if (!isCurrent()) return;
    fill(told);
    fill(list, draw(fetched.parcels));
  } catch (error) {
    if (error instanceof Unreachable && known) fill(told, offlineNote(known.fetchedAt));
    else tellError(told, sayError(error));
  }
}

/** @param {any[]} parcels */
function draw(parcels) {
  if (parcels.length === 0) return el("p.sheet", {}, say("parcels.none"));
  return el("ul.parcels", {}, ...parcels.map((parcel) => el("li", {}, card(parcel))));
}

/** @param {any} parcel */
function card(parcel) {
  const { hub } = parcel.location;
  return el(
    "a.sheet.parcel",
    { href: `#/parcels/${encodeURIComponent(parcel.id)}` },
    stateOf(parcel),
    el("p", {}, `${hub.name}, ${hub.street}, ${hub.city}`),
    deadlineOf(parcel),
    el("p.faint.small.code", {}, `${parcel.code} · ${parcel.trackingNo}`),
  );
}

/** @param {any} parcel @returns {HTMLElement} where it stands, never by colour alone */
export function stateOf(parcel) {
  const classes = isOpenable(parcel) ? ".ready" : parcel.pauseCause ? ".stopped" : "";
  return el(`p.state${classes}`, {}, say(`state.${parcel.state}`));
}

/** @param {any} parcel @returns {HTMLElement | false} until when it waits, or why that stands still */
export function deadlineOf(parcel) {
  if (parcel.pauseCause) {
    const cause = say(`pause.${parcel.pauseCause}`);
    return el("p.note.warn", {}, say("parcel.paused", { cause }));
  }
  if (!parcel.availableThrough || !isOpenable(parcel)) return false;
  const at = parcel.availableThrough;
  return el("p", {}, say("parcel.until", { time: sayTime(at), left: sayUntil(at) }));
}
