/** Files that the browser saves for whoever works here. */

import { el } from "../kit/dom.js";

/**
 * @param {string} fileName
 * @param {string} base64 its bytes
 */
export function saveFile(fileName, base64) {
  const bytes = Uint8Array.from(atob(base64), (one) => one.charCodeAt(0));
  const href = URL.createObjectURL(new Blob([bytes]));
  el("a", { href, download: fileName }).click();
  URL.revokeObjectURL(href);
}
