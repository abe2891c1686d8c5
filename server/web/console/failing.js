/** What happens when something that a screen asked for by itself did not come. */

import { SignedOut } from "../kit/account.js";
import { sayError, tellError } from "../kit/telling.js";

/**
 * @param {HTMLElement} place a live region
 * @param {unknown} error of `ask`; that the device is signed out concerns the whole page
 */
export function tellFailure(place, error) {
  if (error instanceof SignedOut) dispatchEvent(new Event("signed-out"));
  else tellError(place, sayError(error));
}
