/** Keys of a keyboard, or of a scanner that poses as one: bundled with their times, and sent. */

const BUNDLE_MS = 40;
const GAP_MS = 60;
const MOST = 256;

/**
 * Sends every key that does not press a button on the page.
 * @param {(keys: [string, number][]) => void} send
 */
export function listen(send) {
  let keys = [];
  let lastMs = -Infinity;

  function flush() {
    const bundle = keys;
    keys = [];
    for (let at = 0; at < bundle.length; at += MOST) send(bundle.slice(at, at + MOST));
  }

  document.addEventListener(
    "keydown",
    (event) => {
      if (event.ctrlKey || event.altKey || event.metaKey) return;
      const isBurst = event.timeStamp - lastMs <= GAP_MS;
      const presses = event.key === "Enter" || event.key === " ";
      if (event.key === "Tab" || event.key === "Shift") return;
      if (presses && !isBurst && document.activeElement instanceof HTMLButtonElement) return;
      // A scanner's spaces and its end key press nothing on the page.
      event.preventDefault();
      lastMs = event.timeStamp;
      if (keys.length === 0) setTimeout(flush, BUNDLE_MS);
      keys.push([event.key, performance.timeOrigin + event.timeStamp]);
    },
    { capture: true },
  );
}
