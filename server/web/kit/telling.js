/** How views tell what went wrong, and what the network has to do with it. */

import { Declined, SignedOut, Unreachable } from "./account.js";
import { el, fill } from "./dom.js";
import { say, sayUntil } from "./words.js";

/** @param {unknown} error @returns {string} a sentence for people */
export function sayError(error) {
  if (error instanceof Unreachable) return say("unreachable");
  if (error instanceof Declined) return say("failed", { reason: error.message });
  throw error;
}

/**
 * @param {HTMLElement} place a live region
 * @param {string} sentence
 */
export const tellError = (place, sentence) => fill(place, el("p.note.bad", {}, sentence));

/** @param {number} fetchedAt @returns {HTMLElement} that what is shown is not of now */
export const offlineNote = (fetchedAt) =>
  el("p.note.warn", { role: "status" }, say("offline", { when: sayUntil(fetchedAt) }));

/**
 * Carries out what a button is for; it waits meanwhile, and tells how it ended.
 * @param {HTMLElement} button
 * @param {HTMLElement} told a live region
 * @param {() => Promise<string>} work gives the sentence to tell
 */
export async function act(button, told, work) {
  button.setAttribute("disabled", "");
  try {
    fill(told, el("p.note.good", {}, await work()));
  } catch (error) {
    if (error instanceof SignedOut) throw error;
    tellError(told, sayError(error));
  } finally {
    button.removeAttribute("disabled");
  }
}

/**
 * Hands a file to the browser, which keeps it where its owner keeps files.
 * @param {string} name
 * @param {BlobPart} content
 * @param {string} type
 */
export function saveFile(name, content, type) {
  const url = URL.createObjectURL(new Blob([content], { type }));
  el("a", { href: url, download: name }).click();
  URL.revokeObjectURL(url);
}
