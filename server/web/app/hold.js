/** A button that has to be held: nobody opens a door by brushing against a pocket. */

import { el } from "../kit/dom.js";

const HOLD_MS = 700;
const KEYS = new Set(["Enter", " "]);

/**
 * @param {KeyboardEvent} event
 * @param {() => void} react
 */
function byKey(event, react) {
  if (!KEYS.has(event.key)) return;
  event.preventDefault();
  react();
}

/**
 * Does its work when it is let go after it was held long enough; browsers ask for a Bluetooth device
 * only then. Whoever cannot hold, a screen reader for one, presses it.
 * @param {string} label
 * @param {() => void} work
 * @returns {HTMLElement}
 */
export function holdButton(label, work) {
  const button = el("button.button.main.hold", {}, label);
  /** @type {number | null} */
  let since = null;

  const draw = () => {
    const held = since === null ? 0 : Math.min(1, (performance.now() - since) / HOLD_MS);
    button.style.setProperty("--held", String(held));
    if (since !== null && held < 1) requestAnimationFrame(draw);
  };
  const begin = () => {
    if (since !== null || button.hasAttribute("disabled")) return;
    since = performance.now();
    draw();
  };
  const end = () => {
    const isLong = since !== null && performance.now() - since >= HOLD_MS;
    since = null;
    draw();
    if (isLong) work();
  };
  const giveUp = () => {
    since = null;
    draw();
  };

  button.addEventListener("pointerdown", begin);
  button.addEventListener("pointerup", end);
  button.addEventListener("pointerleave", giveUp);
  button.addEventListener("pointercancel", giveUp);
  button.addEventListener("contextmenu", (event) => event.preventDefault());
  // Keys make no clicks here, so that those are of pointers, which are held, or of nobody's hand.
  button.addEventListener("keydown", (event) => byKey(event, begin));
  button.addEventListener("keyup", (event) => byKey(event, end));
  button.addEventListener("blur", giveUp);
  button.addEventListener("click", (event) => event.detail === 0 && work());
  return button;
}
