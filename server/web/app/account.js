/** The account: its devices, the language of this one, and the way out. */

import { ask, signOut, SignedOut, Unreachable } from "../kit/account.js";
import { el, fill } from "../kit/dom.js";
import { dropAll, keep } from "../kit/store.js";
import { LANGUAGES, say, sayTime, speak, spoken } from "../kit/words.js";
import { sayError, tellError } from "../kit/telling.js";
import { preferencesSheet } from "./preferences.js";
import { privacySheet } from "./privacy.js";

const ME = `query { me { addresses devices { id name isThis registeredAt isSignedIn } } }`;

/**
 * @param {HTMLElement} place
 * @param {{isCurrent: () => boolean, show: (how?: object) => void}} context
 */
export async function showAccount(place, { isCurrent, show }) {
  const told = el("div", { role: "status" });
  const known = el("div.stack");
  fill(place, el("h1", {}, say("account.title")), told, known, languageOf(show), wayOut(show));
  try {
    const me = await ask(ME, {}, "me");
    const wishes = await preferencesSheet();
    if (!isCurrent()) return;
    fill(known, devicesOf(me), wishes, privacySheet({ onErased: () => leave(show) }));
  } catch (error) {
    if (error instanceof SignedOut) throw error;
    tellError(told, sayError(error));
  }
}

/** @param {any} me */
function devicesOf(me) {
  const lines = me.devices
    .filter((/** @type {any} */ one) => one.isSignedIn)
    .map((/** @type {any} */ one) =>
      el(
        "li",
        {},
        el("p", {}, one.isThis ? `${one.name} (${say("account.this")})` : one.name),
        el("p.faint.small", {}, sayTime(one.registeredAt)),
      ),
    );
  return el(
    "section.sheet",
    {},
    el("p", {}, me.addresses.join(", ")),
    el("h2", {}, say("account.devices")),
    el("ul.history", {}, ...lines),
  );
}

/** @param {(how?: object) => void} show */
function languageOf(show) {
  const choice = el("select", { id: "language" });
  for (const [code, name] of Object.entries(LANGUAGES))
    choice.append(el("option", { value: code, selected: code === spoken() }, name));
  choice.addEventListener("change", async () => {
    const chosen = /** @type {any} */ (/** @type {HTMLSelectElement} */ (choice).value);
    await keep("language", chosen);
    await speak(chosen);
    show({ moveFocus: true });
  });
  return el(
    "section.sheet",
    {},
    el("div.field", {}, el("label", { for: "language" }, say("account.language")), choice),
  );
}

/** @param {(how?: object) => void} show */
async function leave(show) {
  await dropAll();
  location.hash = "#/";
  show({ moveFocus: true });
}

/** @param {(how?: object) => void} show */
function wayOut(show) {
  const out = el("button.button", {}, say("account.out"));
  out.addEventListener("click", async () => {
    out.setAttribute("disabled", "");
    try {
      await signOut();
    } catch (error) {
      // Without a network the key is forgotten all the same: nobody can use it any more.
      if (!(error instanceof Unreachable || error instanceof SignedOut)) throw error;
    }
    await leave(show);
  });
  return el("section.sheet", {}, el("p.faint", {}, say("account.out.why")), out);
}
