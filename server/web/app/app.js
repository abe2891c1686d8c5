/** The phone app: who is signed in, which view is shown, and what is told while there is no network. */

import { SignedOut } from "../kit/account.js";
import { el, fill } from "../kit/dom.js";
import { findSession, keepLost, showSignIn } from "../kit/sign_in.js";
import { find } from "../kit/store.js";
import { chooseLanguage, isSpoken, say, speak } from "../kit/words.js";
import { showAccount } from "./account.js";
import { showList } from "./list.js";
import { carryHome } from "./luggage.js";
import { showParcel } from "./parcel.js";

const LANGUAGE = "language";
const WORKER = "/sw.js";

const VIEWS = [
  { path: /^#\/parcels\/(.+)$/, tab: "parcels", show: showParcel },
  { path: /^#\/account$/, tab: "account", show: showAccount },
  { path: /^/, tab: "parcels", show: showList },
];

const main = el("main", { id: "content", tabindex: -1 });
const nav = el("nav", { "aria-label": "Restante" });

/** @param {string} current */
function showTabs(current) {
  const tabs = /** @type {const} */ ({ parcels: "#/", account: "#/account" });
  fill(
    nav,
    ...Object.entries(tabs).map(([name, href]) =>
      el("a", { href, "aria-current": name === current ? "page" : null }, say(`tab.${name}`)),
    ),
  );
}

/** Counts views, so that what an older one fetched is not drawn over a newer one. */
let turn = 0;

/**
 * Draws the view that the address names.
 * @param {{moveFocus?: boolean}} [how]
 */
export async function show({ moveFocus = false } = {}) {
  const mine = ++turn;
  const place = el("div.stack");
  const isCurrent = () => mine === turn;
  const { isSignedIn, wasLost } = await findSession();
  if (!isCurrent()) return;
  nav.hidden = !isSignedIn;
  fill(main, place);
  try {
    if (!isSignedIn) {
      await showSignIn(place, { wasLost, onSignedIn: () => show({ moveFocus: true }) });
    } else {
      const {
        path,
        tab,
        show: draw,
      } = /** @type {typeof VIEWS[number]} */ (VIEWS.find((view) => view.path.test(location.hash)));
      showTabs(tab);
      const named = path.exec(location.hash)?.[1];
      await draw(place, { id: named ? decodeURIComponent(named) : "", isCurrent, show });
    }
  } catch (error) {
    if (!(error instanceof SignedOut)) throw error;
    await keepLost();
    if (isCurrent()) return show({ moveFocus: true });
  }
  if (moveFocus && isCurrent()) main.focus();
}

async function start() {
  const chosen = await find(LANGUAGE);
  await speak(isSpoken(chosen) ? chosen : chooseLanguage(navigator.languages));
  const app = /** @type {HTMLElement} */ (document.getElementById("app"));
  app.className = "app";
  fill(
    app,
    el("header", {}, el("img", { src: "/web/app/icon.svg", alt: "" }), say("app.name")),
    main,
    nav,
  );
  app.before(el("a.skip.button", { href: "#content", onclick: toContent }, say("skip")));
  addEventListener("hashchange", () => show({ moveFocus: true }));
  addEventListener("online", () => carryHome());
  await show();
  document.documentElement.dataset.ready = "yes";
  await keepWithoutNetwork();
  await carryHome();
}

async function keepWithoutNetwork() {
  const rules = { createScriptURL: (/** @type {string} */ url) => (url === WORKER ? url : "") };
  const trusted = globalThis.trustedTypes?.createPolicy("restante", rules);
  const worker = trusted?.createScriptURL(WORKER) ?? WORKER;
  await navigator.serviceWorker?.register(worker, { scope: "/" });
}

/** @param {Event} event */
function toContent(event) {
  event.preventDefault();
  main.focus();
}

await start();
