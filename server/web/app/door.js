/** The door of a parcel: opened by holding a button, followed until it is shut. */

import { ask, Declined, SignedOut, Unreachable } from "../kit/account.js";
import { asBase64, fromBase64 } from "../kit/slk1/bytes.js";
import { el, fill } from "../kit/dom.js";
import { Code, DoorEvent } from "../kit/slk1/codes.js";
import { Malformed, NotFound, NotVouched, Slk1Error } from "../kit/slk1/errors.js";
import { timeNonce } from "../kit/slk1/statements.js";
import { isSaid, say } from "../kit/words.js";
import { findBundle } from "./bundles.js";
import { openDoor } from "./errand.js";
import { holdButton } from "./hold.js";
import { carryHome } from "./luggage.js";

const SIGN_TIME = `mutation($lockerId: ID!, $nonce: Base64!) {
  signTime(lockerId: $lockerId, nonce: $nonce) { __typename
    ... on SignTimePayload { statement { bytes } } ... on Problem { code message } } }`;

const EVENTS = {
  [DoorEvent.DOOR_OPENED]: ["good", "door.open"],
  [DoorEvent.CLOSED_EMPTY]: ["good", "door.taken"],
  [DoorEvent.CLOSED_OCCUPIED]: ["warn", "door.still.full"],
  [DoorEvent.CLOSED_UNKNOWN]: ["good", "door.closed"],
  [DoorEvent.OPEN_NOT_DETECTED]: ["bad", "door.stuck"],
  [DoorEvent.CLOSE_OVERDUE]: ["warn", "door.overdue"],
};

/**
 * @param {HTMLElement} place
 * @param {{id: string}} parcel
 */
export async function showDoor(place, { id }) {
  const bundle = await findBundle(id);
  if (!("bluetooth" in navigator)) {
    fill(place, el("p.note.warn", {}, say("door.no.bluetooth")));
    return;
  }
  if (!bundle) {
    fill(place, el("p.note.warn", {}, say("door.not.kept")));
    return;
  }
  const told = el("div", { role: "status", "aria-live": "assertive" });
  const button = holdButton(say("door.hold"), () => visit(bundle, button, told));
  fill(
    place,
    el(
      "section.sheet",
      {},
      el("p", {}, say("door.near", { number: bundle.compartment.label })),
      button,
      told,
      el("p.faint.small", {}, say("door.kept")),
    ),
  );
}

/**
 * @param {any} bundle
 * @param {HTMLElement} button
 * @param {HTMLElement} told
 */
async function visit(bundle, button, told) {
  const tell = (/** @type {string} */ tone, /** @type {string} */ sentence) =>
    fill(told, el(`p.note.${tone}`, {}, sentence));
  button.setAttribute("disabled", "");
  tell("plain", say("door.searching"));
  try {
    await openDoor(bundle, {
      onStep: () => tell("plain", say("door.asking")),
      onReport: (report) => tell(...wordsOf(report)),
      findTime: (hello) => findTime(bundle.locker.lockerId, hello),
    });
  } catch (error) {
    tell("bad", sayFailure(error));
  } finally {
    button.removeAttribute("disabled");
  }
  await carryHome();
}

/**
 * @param {{code: number, comp: number | null}} report
 * @returns {[string, string]} tone and sentence
 */
function wordsOf({ code, comp }) {
  const number = comp ?? "";
  if (code === Code.OK) return ["plain", say("door.opening", { number })];
  const known = EVENTS[code];
  if (known) return [known[0], say(known[1], { number })];
  const name = Object.keys(Code).find((one) => Code[one] === code);
  const key = `code.${name}`;
  return ["bad", say("door.refused", { reason: say(isSaid(key) ? key : "code.OTHER") })];
}

/** @param {unknown} error @returns {string} */
function sayFailure(error) {
  if (error instanceof NotFound) return say("door.nobody");
  if (error instanceof Malformed || error instanceof NotVouched) return say("door.impostor");
  if (error instanceof Slk1Error) return say("door.lost");
  throw error;
}

/**
 * The server's time for a locker whose clock needs it; null without a network.
 * @param {string} lockerId
 * @param {Uint8Array} hello
 */
async function findTime(lockerId, hello) {
  try {
    const nonce = asBase64(await timeNonce(hello));
    const { statement } = await ask(SIGN_TIME, { lockerId, nonce }, "signTime");
    return fromBase64(statement.bytes);
  } catch (error) {
    if ([Unreachable, Declined, SignedOut].some((kind) => error instanceof kind)) return null;
    throw error;
  }
}
