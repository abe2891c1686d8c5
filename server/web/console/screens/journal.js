/** What each locker wrote down, entry by entry, with the proof that the public log holds it. */

import { ask } from "../../kit/account.js";
import { el, fill } from "../../kit/dom.js";
import { say, sayTime } from "../../kit/words.js";
import { tellFailure } from "../failing.js";
import { saveBytes } from "../files.js";
import { sayOf, signed } from "../signs.js";

export const name = "journal";
export const needs = "journal";

const PAGE = `query($locker: ID!, $after: String) { journal(lockerId: $locker, first: 50, after: $after) {
  pageInfo { hasNextPage endCursor } edges { node { seq kind at clockQuality head } } } }`;
const PROOF = `query($locker: ID!, $seq: Int!) { entryProof(lockerId: $locker, seq: $seq) { __typename
  ... on Receipt { receipt } ... on Problem { code message } } }`;

/**
 * @param {HTMLElement} place
 * @param {import("../console.js").Context} context
 */
export function show(place, { feed, isCurrent }) {
  const lockers = feed.state?.lockers ?? [];
  if (lockers.length === 0) return place.append(el("p.sheet", {}, say("wall.none")));
  const content = el("div.stack");
  const open = (/** @type {string} */ locker) => showJournal(content, locker, isCurrent);
  const choice = /** @type {HTMLSelectElement} */ (
    el(
      "select",
      { id: "locker", onchange: () => open(choice.value) },
      ...lockers.map(({ id, serial }) => el("option", { value: id }, serial)),
    )
  );
  place.append(
    el("p.faint", {}, say("journal.lead")),
    el("div.field", {}, el("label", { for: "locker" }, say("journal.locker")), choice),
    content,
  );
  return open(lockers[0].id);
}

/**
 * @param {HTMLElement} content
 * @param {string} locker
 * @param {() => boolean} isCurrent
 */
async function showJournal(content, locker, isCurrent) {
  const told = el("div", { role: "status" });
  const body = el("tbody");
  const more = el("button.button", { hidden: true }, say("journal.more"));
  const columns = ["seq", "at", "kind", "proof"];
  const heads = columns.map((key) => el("th", { scope: "col" }, say(`journal.${key}`)));
  const table = el("table", { hidden: true }, el("thead", {}, el("tr", {}, ...heads)), body);
  fill(content, told, table, more);
  const isShown = () => isCurrent() && content.contains(body);
  /** @type {string | null} */
  let after = null;
  const fetchMore = async () => {
    fill(told, el("p.faint", {}, say("console.loading")));
    try {
      const { edges, pageInfo } = await ask(PAGE, { locker, after }, "journal");
      if (!isShown()) return;
      after = pageInfo.endCursor;
      more.hidden = !pageInfo.hasNextPage;
      body.append(...edges.map((/** @type {any} */ { node }) => row(node, { locker, told })));
      table.hidden = body.childElementCount === 0;
      fill(told, table.hidden && el("p.sheet", {}, say("journal.none")));
    } catch (error) {
      if (isShown()) tellFailure(told, error);
    }
  };
  more.addEventListener("click", fetchMore);
  await fetchMore();
}

/**
 * @param {any} entry
 * @param {{locker: string, told: HTMLElement}} context
 */
function row({ seq, kind, at, clockQuality }, { locker, told }) {
  const save = async () => {
    try {
      const { receipt } = await ask(PROOF, { locker, seq }, "entryProof");
      saveBytes(`entry-${seq}.receipt`, receipt);
      fill(told, el("p.note.good", {}, say("journal.saved", { seq })));
    } catch (error) {
      tellFailure(told, error);
    }
  };
  return el(
    "tr",
    {},
    el("th", { scope: "row" }, String(seq)),
    el(
      "td",
      {},
      clockQuality > 0 ? sayTime(at) : signed("△", say("journal.about", { time: sayTime(at) })),
    ),
    el("td", {}, kind === null ? say("journal.newer") : sayOf("entry", kind)),
    el(
      "td",
      {},
      el(
        "button.button",
        { onclick: save, "aria-label": say("journal.save.one", { seq }) },
        say("journal.save"),
      ),
    ),
  );
}
