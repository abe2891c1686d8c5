/** How somebody wants to hear of parcels, and what they want of lockers. */

import { ask } from "../kit/account.js";
import { el, fill } from "../kit/dom.js";
import { LANGUAGES, say } from "../kit/words.js";
import { act } from "../kit/telling.js";

const WISHES = `version language timeZone channels quiet { startsMinute endsMinute }
  mayCooledBreakQuiet holdUntil reach { lowestMm highestMm } counterOnly neverAppOnly
  neverAmbientIfPerishable allowedHubs favouriteHubs
  usualWindows { weekdays span { startsMinute endsMinute } } learns keepsPast namesHubOnScreen`;

const READ = `query { me { preferences { ${WISHES} } } }`;

const CHANGE = `mutation($version: Int!, $preferences: PreferencesInput!) {
  changePreferences(version: $version, preferences: $preferences) { __typename
    ... on ChangePreferencesPayload { preferences { ${WISHES} } }
    ... on Problem { code message } } }`;

const CHANNELS = ["PUSH", "EMAIL", "SMS"];

/** Reach of somebody who sits, in millimetres above the floor (ISO 21542: 400 to 1,100). */
const SEATED = { lowestMm: 400, highestMm: 1100 };

const SWITCHES = ["learns", "keepsPast", "namesHubOnScreen", "mayCooledBreakQuiet", "counterOnly"];

/** @returns {Promise<HTMLElement>} the sheet, once the wishes are known */
export async function preferencesSheet() {
  const sheet = el("section.sheet");
  drawForm(sheet, (await ask(READ, {}, "me")).preferences);
  return sheet;
}

/**
 * @param {HTMLElement} sheet
 * @param {any} wishes as the server has them
 */
function drawForm(sheet, wishes) {
  const told = el("div", { role: "status" });
  const save = el("button.button.main", {}, say("wish.save"));
  const form = el(
    "form.stack",
    {},
    selectOf("wish-language", say("wish.language"), LANGUAGES, wishes.language.toLowerCase()),
    selectOf("wish-channel", say("wish.channel"), channelNames(), wishes.channels[0]),
    timeOf("wish-from", say("wish.quiet.from"), wishes.quiet?.startsMinute),
    timeOf("wish-to", say("wish.quiet.to"), wishes.quiet?.endsMinute),
    dateOf("wish-away", say("wish.away"), wishes.holdUntil),
    switchOf("reach", wishes.reach !== null),
    ...SWITCHES.map((name) => switchOf(name, wishes[name])),
    save,
    told,
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    act(save, told, async () => {
      const { version, ...others } = wishes;
      const preferences = { ...others, ...read(/** @type {HTMLFormElement} */ (form), wishes) };
      const answer = await ask(CHANGE, { version, preferences }, "changePreferences");
      wishes = answer.preferences;
      return say("wish.saved");
    });
  });
  fill(sheet, el("h2", {}, say("wish.title")), form);
}

/**
 * What the form says. A wish that it does not show stays as it was.
 * @param {HTMLFormElement} form
 * @param {any} before
 */
function read(form, before) {
  const value = (/** @type {string} */ name) => new FormData(form).get(name);
  const [from, to] = [value("wish-from"), value("wish-to")].map((text) => minuteOf(String(text)));
  const first = String(value("wish-channel"));
  const isReaching = value("reach") !== null;
  return {
    language: String(value("wish-language")).toUpperCase(),
    channels: [first, ...before.channels.filter((/** @type {string} */ one) => one !== first)],
    quiet: from === null || to === null ? null : { startsMinute: from, endsMinute: to || 1440 },
    holdUntil: value("wish-away") || null,
    reach: isReaching ? (before.reach ?? SEATED) : null,
    ...Object.fromEntries(SWITCHES.map((name) => [name, value(name) !== null])),
  };
}

const channelNames = () =>
  Object.fromEntries(CHANNELS.map((name) => [name, say(`channel.${name}`)]));

/**
 * @param {string} id
 * @param {string} label
 * @param {Record<string, string>} choices
 * @param {string} chosen
 */
function selectOf(id, label, choices, chosen) {
  const options = Object.entries(choices).map(([value, name]) =>
    el("option", { value, selected: value === chosen }, name),
  );
  return fieldOf(id, label, el("select", { id, name: id }, ...options));
}

/**
 * @param {string} id
 * @param {string} label
 * @param {number | undefined} minute of the day
 */
function timeOf(id, label, minute) {
  const value = minute === undefined ? "" : clockOf(minute % 1440);
  return fieldOf(id, label, el("input", { id, name: id, type: "time", value }));
}

/**
 * @param {string} id
 * @param {string} label
 * @param {string | null} day
 */
const dateOf = (id, label, day) =>
  fieldOf(id, label, el("input", { id, name: id, type: "date", value: day ?? "" }));

/**
 * @param {string} id
 * @param {string} label
 * @param {HTMLElement} input
 */
const fieldOf = (id, label, input) => el("div.field", {}, el("label", { for: id }, label), input);

/**
 * @param {string} name
 * @param {boolean} isOn
 */
const switchOf = (name, isOn) =>
  el(
    "label.row.switch",
    {},
    el("input", { type: "checkbox", name, checked: isOn }),
    say(`wish.${name}`),
  );

/** @param {number} minute @returns {string} as HH:MM */
function clockOf(minute) {
  const two = (/** @type {number} */ part) => String(part).padStart(2, "0");
  return `${two(Math.floor(minute / 60))}:${two(minute % 60)}`;
}

/** @param {string} text HH:MM, or nothing @returns {number | null} */
function minuteOf(text) {
  const found = /^(\d\d):(\d\d)/.exec(text);
  return found && Number(found[1]) * 60 + Number(found[2]);
}
