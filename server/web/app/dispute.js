/** After a collection: its receipt, and saying that it was not right. */

import { ask } from "../kit/account.js";
import { el } from "../kit/dom.js";
import { fromBase64 } from "../kit/slk1/bytes.js";
import { say, sayTime } from "../kit/words.js";
import { fetchReceipt } from "./parcels.js";
import { act, saveFile } from "../kit/telling.js";

const REASONS = ["EMPTY", "NOT_OPENED", "NOT_MINE", "NOT_ME"];

/** For so long a collection may be disputed (DOMAIN, P29). */
const DISPUTABLE_MS = 14 * 24 * 3_600_000;

const DISPUTE = `mutation($parcel: ID!, $reason: DisputeReason!) {
  disputeCollection(parcel: $parcel, reason: $reason) { __typename
    ... on Problem { code message } } }`;

/** @param {any} parcel @returns {HTMLElement} */
export function receiptSheet(parcel) {
  const told = el("div", { role: "status" });
  const save = el("button.button", {}, say("parcel.receipt"));
  save.addEventListener("click", () =>
    act(save, told, async () => {
      const name = `${parcel.code}.receipt`;
      saveFile(name, fromBase64(await fetchReceipt(parcel.id)), "application/cbor");
      return name;
    }),
  );
  return el("section.sheet", {}, el("p", {}, say("parcel.receipt.why")), save, told);
}

/**
 * @param {any} parcel
 * @param {number} now
 * @returns {boolean}
 */
export const isDisputable = (parcel, now) =>
  parcel.state === "COLLECTED" && now - Date.parse(parcel.collectedAt) < DISPUTABLE_MS;

/**
 * @param {any} parcel
 * @param {() => void} show
 * @returns {HTMLElement}
 */
export function disputeSheet(parcel, show) {
  const told = el("div", { role: "status" });
  const choice = el(
    "select",
    { id: "reason" },
    ...REASONS.map((reason) => el("option", { value: reason }, say(`dispute.${reason}`))),
  );
  const send = el("button.button", {}, say("dispute.send"));
  send.addEventListener("click", () =>
    act(send, told, async () => {
      const reason = /** @type {HTMLSelectElement} */ (choice).value;
      await ask(DISPUTE, { parcel: parcel.id, reason }, "disputeCollection");
      show();
      return say("dispute.sent");
    }),
  );
  return el(
    "section.sheet",
    {},
    el("h2", {}, say("dispute.title")),
    el("div.field", {}, el("label", { for: "reason" }, say("dispute.reason")), choice),
    send,
    told,
  );
}

/** @param {any} parcel @returns {HTMLElement[]} what was said of its collection, and decided */
export const disputesOf = (parcel) =>
  (parcel.disputes ?? []).map((/** @type {any} */ one) =>
    el(
      "p.note.warn",
      {},
      one.resolvedAt
        ? say("dispute.decided", { time: sayTime(one.resolvedAt) })
        : say("dispute.open", { time: sayTime(one.openedAt) }),
    ),
  );
