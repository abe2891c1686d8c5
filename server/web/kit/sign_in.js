/** Signing in by a one-time code; the device's own key is made on the way. */

import { Declined, requestCode, signIn } from "./account.js";
import { deviceKey } from "./device.js";
import { el, fill } from "./dom.js";
import { find, keep } from "./store.js";
import { say } from "./words.js";
import { sayError, tellError } from "./telling.js";

const NAME_SIZE = 60;
const SIGNED_IN = "signed-in";
const [YES, LOST] = ["yes", "lost"];

/**
 * Whether this browser is signed in, on whichever page; or was, until the server knew it no more.
 * @returns {Promise<{isSignedIn: boolean, wasLost: boolean}>}
 */
export async function findSession() {
  const kept = await find(SIGNED_IN);
  return { isSignedIn: kept === YES, wasLost: kept === LOST };
}

export const keepSignedIn = () => keep(SIGNED_IN, YES);

/** The server refused this device; whoever signs in again is told why they have to. */
export const keepLost = () => keep(SIGNED_IN, LOST);

/**
 * @param {HTMLElement} place
 * @param {{wasLost: boolean, onSignedIn: () => Promise<void>, words?: string}} context `words` begins
 *   the names of the sentences that say what one signs in to
 */
export async function showSignIn(place, { wasLost, onSignedIn, words = "sign" }) {
  const told = el("div", { role: "status" });
  const form = el("div.stack");
  fill(
    place,
    el("h1", {}, say(`${words}.title`)),
    el("p", {}, say(`${words}.lead`)),
    wasLost && el("p.note.warn", {}, say(`${words}.lost`)),
    el("div.sheet", {}, form, told),
  );
  try {
    await deviceKey();
  } catch {
    fill(form);
    fill(told, el("p.note.bad", {}, say("no.ed25519")));
    return;
  }
  askAddress(form, told, onSignedIn);
}

/**
 * @param {HTMLElement} form
 * @param {HTMLElement} told
 * @param {() => Promise<void>} onSignedIn
 */
function askAddress(form, told, onSignedIn) {
  const input = el("input", {
    id: "address",
    autocomplete: "email",
    required: true,
    maxlength: 254,
  });
  const send = el("button.button.main", {}, say("sign.send"));
  const submit = async (/** @type {Event} */ event) => {
    event.preventDefault();
    const address = /** @type {HTMLInputElement} */ (input).value.trim();
    await attempt(send, told, async () => {
      const request = await requestCode(address);
      fill(told, el("p.note.good", {}, say("sign.sent", { address })));
      askCode(form, told, { request, onSignedIn });
    });
  };
  fill(
    form,
    el(
      "form.stack",
      { onsubmit: submit },
      el("div.field", {}, el("label", { for: "address" }, say("sign.address")), input),
      send,
    ),
  );
}

/**
 * @param {HTMLElement} form
 * @param {HTMLElement} told
 * @param {{request: string, onSignedIn: () => Promise<void>}} context
 */
function askCode(form, told, { request, onSignedIn }) {
  const input = el("input", {
    id: "code",
    autocomplete: "one-time-code",
    inputmode: "numeric",
    required: true,
    maxlength: 12,
  });
  const enter = el("button.button.main", {}, say("sign.in"));
  const back = () => askAddress(form, told, onSignedIn);
  const submit = async (/** @type {Event} */ event) => {
    event.preventDefault();
    const code = /** @type {HTMLInputElement} */ (input).value.replace(/\s/g, "");
    await attempt(enter, told, async () => {
      await signIn(request, code, nameOfDevice());
      await keepSignedIn();
      await onSignedIn();
    });
  };
  fill(
    form,
    el(
      "form.stack",
      { onsubmit: submit },
      el("div.field", {}, el("label", { for: "code" }, say("sign.code")), input),
      el(
        "div.row",
        {},
        enter,
        el("button.button", { type: "button", onclick: back }, say("sign.other")),
      ),
    ),
  );
  input.focus();
}

/**
 * @param {HTMLElement} button which waits meanwhile
 * @param {HTMLElement} told
 * @param {() => Promise<void>} work
 */
async function attempt(button, told, work) {
  button.setAttribute("disabled", "");
  try {
    await work();
  } catch (error) {
    if (error instanceof Declined) tellError(told, sayError(error));
    else tellError(told, say("unreachable"));
  } finally {
    button.removeAttribute("disabled");
  }
}

/** @returns {string} what its owner knows this device by: the browser and the system it runs on */
function nameOfDevice() {
  const known = navigator.userAgentData;
  const brands =
    known?.brands.map((one) => one.brand).filter((name) => !/not.?a/i.test(name)) ?? [];
  const name = known ? `${brands.at(-1) ?? ""} ${known.platform}` : navigator.userAgent;
  return name.trim().slice(0, NAME_SIZE);
}
