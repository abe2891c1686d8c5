/** The panel's page: draws what the agent tells, sends what people press, decides nothing. */

import { draw } from "./drawing.js";
import { listen } from "./keys.js";

/** In the order of their buttons. */
const LANGUAGES = ["en", "de", "fr", "es"];
const AGAIN_MS = 500;

const secret = document.querySelector("meta[name=panel-secret]").content;
const words = Object.fromEntries(LANGUAGES.map((language) => [language, {}]));
let shown = null;

/**
 * Brings something to the agent. What does not arrive was pressed in vain: people press again.
 * @param {string} where
 * @param {unknown} body
 */
async function send(where, body) {
  try {
    const answer = await fetch(where, {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-Panel-Secret": secret },
      body: JSON.stringify(body),
    });
    if (answer.status === 403) await restart();
  } catch {
    // The stream of views tells that the agent is gone.
  }
}

/** @param {string} intent @param {string} [word] */
const act = (intent, word) => send("act", { intent, word });

/** @param {Record<string, unknown>} view */
function show(view) {
  draw(view, shown, words, act);
  shown = view;
}

/** The agent began anew, with another secret: take its page once it is there. */
async function restart() {
  const signs = document.getElementById("signs");
  signs.textContent = words[shown?.language ?? "en"].lost;
  signs.hidden = false;
  for (;;) {
    await new Promise((done) => setTimeout(done, AGAIN_MS));
    try {
      if ((await fetch("./")).ok) break;
    } catch {
      // Not yet.
    }
  }
  location.reload();
}

/** Follows the agent's views; the browser itself comes back after a break in the line. */
function follow() {
  const views = new EventSource(`events?secret=${encodeURIComponent(secret)}`);
  views.onmessage = (event) => show(JSON.parse(event.data));
  views.onerror = () => {
    views.close();
    void restart();
  };
}

async function begin() {
  await Promise.all(
    LANGUAGES.map(async (language) => {
      words[language] = await (await fetch(`words/${language}.json`)).json();
    }),
  );
  listen((keys) => send("keys", keys));
  document.addEventListener("pointerdown", (event) => {
    if (!event.target.closest("button")) void act("linger");
  });
  document.addEventListener("contextmenu", (event) => event.preventDefault());
  follow();
}

void begin();
