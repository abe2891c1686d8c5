/** Another place for a parcel that is still on its way. */

import { ask } from "../kit/account.js";
import { el, fill } from "../kit/dom.js";
import { say } from "../kit/words.js";
import { act } from "../kit/telling.js";

const MOVABLE = new Set(["ANNOUNCED", "AWAITING_DROPOFF", "DROPPED_OFF", "IN_TRANSIT"]);

const CHOICES = `query($parcel: ID!) { redirectChoices(parcel: $parcel) {
  hub { id name street city } distanceM isFavourite } }`;

const MOVE = `mutation($parcel: ID!, $hub: ID!) { redirectParcel(parcel: $parcel, hub: $hub) {
  __typename ... on Problem { code message } } }`;

/** @param {any} parcel @returns {boolean} whether its recipient may still choose another place */
export const isMovable = (parcel) => MOVABLE.has(parcel.state);

/**
 * @param {any} parcel
 * @param {() => void} show
 * @returns {HTMLElement}
 */
export function redirectSheet(parcel, show) {
  const told = el("div", { role: "status" });
  const list = el("div.stack");
  const look = el("button.button", {}, say("redirect.look"));
  look.addEventListener("click", () =>
    act(look, told, async () => {
      const choices = await ask(CHOICES, { parcel: parcel.id }, "redirectChoices");
      fill(list, ...choices.map((/** @type {any} */ one) => choiceOf(parcel, one, told, show)));
      return choices.length > 0 ? say("redirect.found") : say("redirect.none");
    }),
  );
  return el("section.sheet", {}, el("h2", {}, say("redirect.title")), look, told, list);
}

/**
 * @param {any} parcel
 * @param {{hub: any, distanceM: number, isFavourite: boolean}} choice
 * @param {HTMLElement} told
 * @param {() => void} show
 */
function choiceOf(parcel, { hub, distanceM, isFavourite }, told, show) {
  const take = el("button.button", {}, say("redirect.take"));
  take.addEventListener("click", () =>
    act(take, told, async () => {
      await ask(MOVE, { parcel: parcel.id, hub: hub.id }, "redirectParcel");
      show();
      return say("redirect.done", { hub: hub.name });
    }),
  );
  const far = say("redirect.far", { km: (distanceM / 1000).toFixed(1) });
  return el(
    "div.row",
    {},
    el("p", {}, `${isFavourite ? "★ " : ""}${hub.name}, ${hub.street}, ${hub.city} (${far})`),
    take,
  );
}
