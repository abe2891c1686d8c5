/** The console: who is signed in, which hub and which screen is shown, and whether it is of now. */

import { SignedOut, ask, signOut } from "../kit/account.js";
import { el, fill } from "../kit/dom.js";
import { findSession, keepLost, showSignIn } from "../kit/sign_in.js";
import { dropAll, find, keep } from "../kit/store.js";
import { sayError } from "../kit/telling.js";
import {
  LANGUAGES,
  chooseLanguage,
  isSpoken,
  learn,
  say,
  sayUntil,
  speak,
  spoken,
} from "../kit/words.js";
import { closeDialogs, told } from "./dialogs.js";
import { Feed } from "./feed.js";
import { showHubs } from "./hubs.js";
import { drawnIn } from "./redraw.js";
import { offersAt } from "./rights.js";
import { SCREENS } from "./screens.js";
import { sayLink } from "./signs.js";
import words from "./words.js";

const LANGUAGE = "language";
const ME = `query { me { addresses roles { role place } } }`;

/**
 * @typedef {object} Context
 * @property {string} hub global id
 * @property {Feed} feed
 * @property {(offer: import("./rights.js").Offer) => boolean} may
 * @property {(listener: (state: import("./feed.js").State) => void) => void} onState called with the
 *   state that is known, and with each new one while the screen is shown
 * @property {() => boolean} isCurrent
 */

const main = el("main", { id: "content", tabindex: -1 });
const nav = el("nav", { "aria-label": "Restante", hidden: true });
const bar = el("div.bar");
const link = el("div.link", { role: "status" });
const title = el("strong", {}, "Restante");

/** @type {Feed | null} */
let feed = null;
/** Counts views, so that what an older one fetched is not drawn over a newer one. */
let turn = 0;
let unwatch = () => {};

/** @param {{moveFocus?: boolean}} [how] */
async function show({ moveFocus = false } = {}) {
  const mine = ++turn;
  const isCurrent = () => mine === turn;
  const place = el("div.stack");
  unwatch();
  closeDialogs();
  fill(told);
  fill(main, told, place);
  try {
    await draw(place, isCurrent);
  } catch (error) {
    if (error instanceof SignedOut) return lose();
    if (isCurrent()) fill(place, failure(sayError(error)));
  }
  if (moveFocus && isCurrent()) main.focus();
}

/**
 * @param {HTMLElement} place
 * @param {() => boolean} isCurrent
 */
async function draw(place, isCurrent) {
  const { isSignedIn, wasLost } = await findSession();
  if (!isCurrent()) return;
  drawBar(isSignedIn);
  if (!isSignedIn) {
    leaveFeed();
    const onSignedIn = () => show({ moveFocus: true });
    return showSignIn(place, { wasLost, onSignedIn, words: "console.sign" });
  }
  fill(place, el("p.faint", { role: "status" }, say("console.loading")));
  const me = await ask(ME, {}, "me");
  if (!isCurrent()) return;
  const [hub, name] = location.hash.slice(2).split("/").map(decodeURIComponent);
  if (!hub) {
    leaveFeed();
    return showHubs(place, { me, isCurrent });
  }
  showScreen(place, { hub, name, me, isCurrent });
}

/**
 * @param {HTMLElement} place
 * @param {{hub: string, name: string | undefined, me: any, isCurrent: () => boolean}} context
 */
function showScreen(place, { hub, name, me, isCurrent }) {
  const may = offersAt(me.roles, hub);
  const offered = SCREENS.filter(({ needs }) => needs === null || may(needs));
  const screen = offered.find((one) => one.name === name) ?? offered[0];
  const followed = joinFeed(hub);
  /** @type {((state: import("./feed.js").State) => void)[]} */
  const listeners = [];
  const onState = (/** @type {typeof listeners[number]} */ listener) => {
    listeners.push(listener);
    if (followed.state) listener(followed.state);
  };
  const drawNav = drawnIn(nav, (counts) => tabsOf(offered, { hub, current: screen.name, counts }));
  let isDrawn = false;
  nav.hidden = false;
  const drawLink = drawnIn(link, () => [sayLink(followed)]);
  unwatch = followed.watch(() => {
    const isBroken = followed.link === "broken";
    drawLink([followed.link, isBroken && sayUntil(followed.heardAt)]);
    if (!followed.state) return;
    document.title = `${followed.state.hub.name} · Restante`;
    fill(title, followed.state.hub.name);
    const { state } = followed;
    drawNav(Object.fromEntries(offered.map((one) => [one.name, one.count?.(state) ?? null])));
    if (!isDrawn) {
      isDrawn = true;
      present(screen, place, { hub, feed: followed, may, onState, isCurrent });
    } else for (const listener of listeners) listener(state);
  });
}

/**
 * @param {import("./screens.js").Screen} screen
 * @param {HTMLElement} place
 * @param {Context} context
 */
async function present(screen, place, context) {
  fill(place, el("h1", {}, say(`console.tab.${screen.name}`)));
  try {
    await screen.show(place, context);
  } catch (error) {
    if (error instanceof SignedOut) return lose();
    if (context.isCurrent()) place.append(failure(sayError(error)));
  }
}

/**
 * @param {typeof SCREENS} offered
 * @param {{hub: string, current: string, counts: Record<string, number | null>}} shown
 */
const tabsOf = (offered, { hub, current, counts }) =>
  offered.map(({ name }) =>
    el(
      "a",
      {
        href: `#/${encodeURIComponent(hub)}/${name}`,
        "aria-current": name === current ? "page" : null,
        "data-key": name,
      },
      say(`console.tab.${name}`),
      counts[name] ? el("span.count", {}, ` ${counts[name]}`) : null,
    ),
  );

/** @param {string} hub @returns {Feed} the one that is followed already, or a new one */
function joinFeed(hub) {
  if (feed?.hub === hub) return feed;
  leaveFeed();
  feed = new Feed(hub, (reason) => {
    if (reason === "signed-out") return void lose();
    turn += 1;
    leaveFeed();
    fill(
      main,
      failure(say("console.refused")),
      el("a.button", { href: "#/" }, say("console.hubs")),
    );
  });
  return feed;
}

function leaveFeed() {
  unwatch();
  feed?.leave();
  feed = null;
  nav.hidden = true;
  fill(link);
  document.title = "Restante";
  fill(title, "Restante");
}

async function lose() {
  await keepLost();
  await show({ moveFocus: true });
}

/** @param {string} sentence */
const failure = (sentence) =>
  el(
    "div.sheet",
    { role: "alert" },
    el("p.note.bad", {}, sentence),
    el("button.button", { onclick: () => show({ moveFocus: true }) }, say("again")),
  );

/** @param {boolean} isSignedIn */
function drawBar(isSignedIn) {
  const language = el("select", { "aria-label": say("account.language"), onchange: change });
  for (const [code, name] of Object.entries(LANGUAGES))
    language.append(el("option", { value: code, selected: code === spoken() }, name));
  fill(
    bar,
    isSignedIn && el("a.button", { href: "#/" }, say("console.hubs")),
    language,
    isSignedIn && el("button.button", { onclick: leave }, say("console.out")),
  );
}

/** @param {Event} event */
async function change({ target }) {
  const chosen = /** @type {any} */ (/** @type {HTMLSelectElement} */ (target).value);
  await keep(LANGUAGE, chosen);
  await speak(chosen);
  await show({ moveFocus: true });
}

async function leave() {
  leaveFeed();
  try {
    await signOut();
  } catch (error) {
    // Without a network the key is forgotten all the same: nobody can use it any more.
    if (!(error instanceof SignedOut)) sayError(error);
  }
  await dropAll();
  location.hash = "#/";
  await show({ moveFocus: true });
}

async function start() {
  learn(words);
  const chosen = await find(LANGUAGE);
  await speak(isSpoken(chosen) ? chosen : chooseLanguage(navigator.languages));
  const page = /** @type {HTMLElement} */ (document.getElementById("console"));
  page.className = "console";
  const toContent = (/** @type {Event} */ event) => {
    event.preventDefault();
    main.focus();
  };
  const mark = el("img", { src: "/web/app/icon.svg", alt: "" });
  fill(page, el("header", {}, mark, title, link, bar), nav, main);
  page.before(el("a.skip.button", { href: "#content", onclick: toContent }, say("skip")));
  addEventListener("hashchange", () => show({ moveFocus: true }));
  addEventListener("signed-out", lose);
  addEventListener("online", () => feed?.following.rejoin());
  await show();
  document.documentElement.dataset.ready = "yes";
}

await start();
