/** What is said to people, in the four languages of the notices. */

/** Only the spoken one is loaded. */
const SPOKEN = {
  de: () => import("./words/de.js"),
  en: () => import("./words/en.js"),
  es: () => import("./words/es.js"),
  fr: () => import("./words/fr.js"),
};

/** @typedef {keyof typeof SPOKEN} Language */

/** @type {Language} */
let language = "en";

/** How dates are written: as in the place that the browser names, if its language is spoken. */
let locale = "en";

/** @type {Record<string, string>} */
let words = {};

/** @type {Partial<Record<Language, () => Promise<{default: Record<string, string>}>>>} */
let learnt = {};

/**
 * The first of the wished languages that is spoken here; English else.
 * @param {readonly string[]} wishes language tags, the dearest first
 * @returns {Language}
 */
export function chooseLanguage(wishes) {
  for (const wish of wishes) {
    const short = wish.toLowerCase().split("-")[0];
    if (short in SPOKEN) return /** @type {Language} */ (short);
  }
  return "en";
}

/**
 * What a page says beyond what all pages share: heard from the next `speak` on, in its language only.
 * @param {Record<Language, () => Promise<{default: Record<string, string>}>>} more
 */
export function learn(more) {
  learnt = more;
}

/** What each language calls itself. */
export const LANGUAGES = { en: "English", de: "Deutsch", fr: "Français", es: "Español" };

/** @param {unknown} wish @returns {wish is Language} */
export const isSpoken = (wish) => typeof wish === "string" && wish in SPOKEN;

/** @param {string} key @returns {boolean} whether there are words for it */
export const isSaid = (key) => key in words;

/** @returns {Language} */
export const spoken = () => language;

/**
 * Speaks this language from now on; what is drawn already stays as it is.
 * @param {Language} chosen
 */
export async function speak(chosen) {
  const [shared, own] = await Promise.all([SPOKEN[chosen](), learnt[chosen]?.()]);
  words = { ...shared.default, ...own?.default };
  language = chosen;
  locale = navigator.languages.find((tag) => tag.split("-")[0] === chosen) ?? chosen;
  document.documentElement.lang = chosen;
}

/**
 * A sentence. Places like {name} are filled in. Throws for a key that has no words: each language
 * has words for the same keys, by test.
 * @param {string} key
 * @param {Record<string, string | number>} [places]
 * @returns {string}
 */
export function say(key, places = {}) {
  const sentence = words[key];
  if (sentence === undefined) throw new Error(`no words for ${key}`);
  return sentence.replace(/\{(\w+)\}/g, (_all, name) => String(places[name] ?? ""));
}

/**
 * A moment as people write it here, in the place of whoever reads.
 * @param {string | number | Date} at
 * @returns {string}
 */
export function sayTime(at) {
  const style = /** @type {const} */ ({
    weekday: "short",
    day: "numeric",
    month: "short",
    hour: "2-digit",
    minute: "2-digit",
  });
  return new Intl.DateTimeFormat(locale, style).format(new Date(at));
}

/**
 * How long until then, roughly: the largest unit that fits.
 * @param {string | number | Date} at
 * @param {number} [now]
 * @returns {string}
 */
export function sayUntil(at, now = Date.now()) {
  const minutes = Math.round((new Date(at).getTime() - now) / 60_000);
  const relative = new Intl.RelativeTimeFormat(locale, { numeric: "auto" });
  if (Math.abs(minutes) < 60) return relative.format(minutes, "minute");
  if (Math.abs(minutes) < 48 * 60) return relative.format(Math.round(minutes / 60), "hour");
  return relative.format(Math.round(minutes / 1440), "day");
}

/**
 * A day as people write it here, without its hour.
 * @param {string | number | Date} at
 * @returns {string}
 */
export const sayDay = (at) =>
  new Intl.DateTimeFormat(locale, { weekday: "short", day: "numeric", month: "short" }).format(
    new Date(at),
  );

/** A Monday, to count days of the week from. */
const A_MONDAY = Date.UTC(2024, 0, 1);

/** @param {number} weekday 0 is Monday @returns {string} */
export const sayWeekday = (weekday) =>
  new Intl.DateTimeFormat(locale, { weekday: "long", timeZone: "UTC" }).format(
    A_MONDAY + weekday * 86_400_000,
  );

/** @param {number} share 0 to 1 @returns {string} in per cent, without decimals */
export const sayShare = (share) =>
  new Intl.NumberFormat(locale, { style: "percent", maximumFractionDigits: 0 }).format(share);
