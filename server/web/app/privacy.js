/** What is kept about somebody: all of it to take along, and its end. */

import { ask } from "../kit/account.js";
import { el, fill } from "../kit/dom.js";
import { say } from "../kit/words.js";
import { act, saveFile } from "../kit/telling.js";

const EXPORT = `query($after: String) { exportAccount(after: $after) { __typename
  ... on AccountExport { document endCursor } ... on Problem { code message } } }`;

const ERASE = `mutation { eraseAccount { __typename ... on Problem { code message } } }`;

/**
 * @param {{onErased: () => Promise<void>}} context
 * @returns {HTMLElement}
 */
export function privacySheet({ onErased }) {
  const told = el("div", { role: "status" });
  const take = el("button.button", {}, say("privacy.export"));
  take.addEventListener("click", () =>
    act(take, told, async () => {
      const pages = await fetchPages((done) =>
        fill(told, el("p", {}, say("privacy.page", { done }))),
      );
      saveFile("restante.json", `[${pages.join(",")}]`, "application/json");
      return say("privacy.exported");
    }),
  );
  return el(
    "section.sheet",
    {},
    el("h2", {}, say("privacy.title")),
    el("p", {}, say("privacy.export.why")),
    take,
    told,
    eraser(onErased),
  );
}

/**
 * Every page of what is kept, each as a JSON object.
 * @param {(done: number) => void} onPage
 * @returns {Promise<string[]>}
 */
async function fetchPages(onPage) {
  const pages = [];
  /** @type {string | null} */
  let after = null;
  do {
    const page = await ask(EXPORT, { after }, "exportAccount");
    pages.push(page.document);
    onPage(pages.length);
    after = page.endCursor;
  } while (after !== null);
  return pages;
}

/** @param {() => Promise<void>} onErased */
function eraser(onErased) {
  const told = el("div", { role: "status" });
  const sure = el("input", { type: "checkbox", id: "erase-sure" });
  const erase = el("button.button", { disabled: true }, say("privacy.erase"));
  sure.addEventListener("change", () =>
    erase.toggleAttribute("disabled", !(/** @type {HTMLInputElement} */ (sure).checked)),
  );
  erase.addEventListener("click", () =>
    act(erase, told, async () => {
      await ask(ERASE, {}, "eraseAccount");
      await onErased();
      return say("privacy.erased");
    }),
  );
  return el(
    "div.stack",
    {},
    el("p", {}, say("privacy.erase.why")),
    el("label.row.switch", {}, sure, say("privacy.sure")),
    erase,
    told,
  );
}
