/** Draws one view. What has not changed stays in place, so that no finger and no reader loses it. */

import { el, fill } from "./dom.js";

const DIGITS = ["1", "2", "3", "4", "5", "6", "7", "8", "9", "erase", "0", "confirm"];
const EASES = ["contrast", "large", "slow"];
const PIN_DIGITS = 8;
const MINUTE_S = 60;
const HOUR_S = 3600;

/** @typedef {(intent: string, word?: string) => unknown} Act */
/** @typedef {Record<string, any>} View */

/** @param {string} id */
const at = (id) => document.getElementById(id);

/**
 * @param {View} view
 * @param {View | null} before the view that is on the screen
 * @param {Record<string, Record<string, string>>} languages
 * @param {Act} act
 */
export function draw(view, before, languages, act) {
  const words = languages[view.language];
  const isNew = !before || before.screen !== view.screen || before.say !== view.say;
  const isOther = isNew || before.language !== view.language;
  const tell = (key) => phrase(words, key, view);
  document.documentElement.lang = view.language;
  document.title = words.name;
  for (const ease of EASES) document.documentElement.toggleAttribute(`data-${ease}`, view[ease]);
  document.body.dataset.screen = view.screen;
  document.body.dataset.mood = moodOf(view);
  setText(at("say"), tell(`say.${view.say}`));
  setText(at("hint"), tell(`hint.${view.say}`));
  drawSigns(view, words);
  drawTyped(view, words);
  if (isOther || before.canAgain !== view.canAgain) fill(at("acts"), ...actsOf(view, words, act));
  drawBar(view, languages, act, isOther || !at("bar").hasChildNodes());
  if (isNew) speak(tell(`say.${view.say}`), tell(`hint.${view.say}`));
}

/** A text with the view's values in it. */
function phrase(words, key, view) {
  const left = view.leftS === null ? "" : timeLeft(words, view.leftS);
  return put(words[key], { comp: view.comp, typed: view.typed, presence: view.presence, left });
}

function put(text, values) {
  return text.replace(/\{(\w+)\}/g, (_, name) => values[name]);
}

function timeLeft(words, leftS) {
  if (leftS < 2 * MINUTE_S) return put(words["left.seconds"], { count: leftS });
  if (leftS < 2 * HOUR_S) return put(words["left.minutes"], { count: Math.ceil(leftS / MINUTE_S) });
  return put(words["left.hours"], { count: Math.ceil(leftS / HOUR_S) });
}

/** A text that is the same is not spoken again. */
function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** For readers: the focus goes to what is said; where it is already, nothing would be heard. */
function speak(said, hint) {
  const isHeard = document.activeElement !== at("say");
  at("say").focus({ preventScroll: true });
  setText(at("aloud"), isHeard ? hint : `${said}. ${hint}`);
}

function moodOf(view) {
  if (view.screen === "refused" || view.say === "stuck") return "bad";
  if (view.say === "shut" || view.say === "press" || view.say === "left") return "warn";
  return view.screen === "door" ? "good" : "calm";
}

function drawSigns(view, words) {
  const lines = view.ajar.map((comp) => put(words.ajar, { comp }));
  if (!view.knowsTime) lines.push(words.no_clock);
  if (view.presence !== null) lines.push(put(words.presence, view));
  const text = lines.join(" ");
  setText(at("signs"), text);
  at("signs").hidden = text === "";
}

function drawTyped(view, words) {
  const typed = at("typed");
  typed.hidden = view.screen !== "pin" && view.screen !== "compartment";
  if (typed.hidden) return;
  const isPin = view.screen === "pin";
  const dots = "●".repeat(view.typed) + "○".repeat(PIN_DIGITS - view.typed);
  const spoken = isPin
    ? put(words.typed, view)
    : view.comp
      ? put(words["typed.compartment"], view)
      : words["typed.nothing"];
  fill(
    typed,
    el("span.digits", { "aria-hidden": "true" }, isPin ? dots : view.comp || "–"),
    el("span.unseen", {}, spoken),
  );
}

/** @returns {HTMLElement[]} */
function actsOf(view, words, act) {
  const go = (word, key = `do.${word}`, look = "button") =>
    el(look, { type: "button", onclick: () => act("choose", word) }, words[key]);
  switch (view.screen) {
    case "home":
      return [go("pin", "do.pin", "button.main"), go("code", "do.code", "button.main"), go("help")];
    case "compartment":
    case "pin":
      return [keypad(view, words, act), go("home")];
    case "door":
      return doorActs(view, go);
    case "refused":
      return [
        view.canAgain && go("again", "do.again", "button.main"),
        !view.isCode && go("pin", "do.other"),
        go("home"),
      ];
    case "code":
      return [go("pin"), go("home")];
    default:
      return [go("pin"), go("code"), go("home")];
  }
}

function doorActs(view, go) {
  const key = view.say === "stuck" ? "do.again" : "do.open_again";
  return [view.canAgain && go("again", key), go("home", "do.done", "button.main")];
}

function keypad(view, words, act) {
  const keys = DIGITS.map((name) => {
    if (name === "erase")
      return el("button", { type: "button", onclick: () => act("erase") }, words["do.erase"]);
    if (name === "confirm") {
      const key = view.screen === "pin" ? "do.open" : "do.next";
      return el("button.main", { type: "button", onclick: () => act("confirm") }, words[key]);
    }
    return el("button.digit", { type: "button", onclick: () => act("digit", name) }, name);
  });
  return el("div.keypad", { role: "group", "aria-label": words.keypad }, ...keys);
}

function drawBar(view, languages, act, isOther) {
  const words = languages[view.language];
  if (isOther) {
    at("bar").setAttribute("aria-label", words.bar);
    const speak = ([language, own]) =>
      el(
        "button",
        { type: "button", lang: language, id: language, onclick: () => act("speak", language) },
        own.language,
      );
    const adjust = (ease) =>
      el("button", { type: "button", id: ease, onclick: () => act("adjust", ease) });
    if (!at("bar").hasChildNodes())
      fill(at("bar"), ...Object.entries(languages).map(speak), ...EASES.map(adjust));
    for (const ease of EASES) setText(at(ease), words[`ease.${ease}`]);
  }
  for (const language of Object.keys(languages)) press(language, language === view.language);
  for (const ease of EASES) press(ease, view[ease]);
}

function press(id, isOn) {
  at(id).setAttribute("aria-pressed", String(isOn));
}
