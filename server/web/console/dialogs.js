/** What is asked before something is done, and how it ended; a dialog at a time. */

import { el, fill } from "../kit/dom.js";
import { tellError } from "../kit/telling.js";
import { say } from "../kit/words.js";
import { tellFailure } from "./failing.js";

export const REASON_SIZE = 300;

/** What was typed cannot be meant; the message is a sentence for people. */
export class Mistaken extends Error {}

/**
 * @typedef {object} Field
 * @property {string} name
 * @property {string} label
 * @property {"text" | "date" | "choice" | "check"} [kind] text if not said
 * @property {Record<string, string>} [options] words by value, of a choice
 * @property {string} [value]
 * @property {boolean} [isOptional]
 */

/** Where the end of an act is told once its dialog is gone. */
export const told = el("div.told", { role: "status" });

/**
 * Shows a dialog; whatever had the focus has it again once it is closed.
 * @param {string} title
 * @param {...(Node | false)} content
 * @returns {HTMLDialogElement}
 */
export function openDialog(title, ...content) {
  const close = el("button.button", { type: "button" }, say("console.close"));
  const dialog = /** @type {HTMLDialogElement} */ (
    el(
      "dialog.sheet",
      { "aria-labelledby": "dialog-title" },
      el("h2", { id: "dialog-title", tabindex: -1, autofocus: true }, title),
      ...content,
      el("div.row.foot", {}, close),
    )
  );
  close.addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

/** Takes away what is open: the screen under it is another one now. */
export function closeDialogs() {
  for (const dialog of document.querySelectorAll("dialog")) dialog.close();
}

/**
 * Asks for what an act needs, and carries it out. A refusal is told in the dialog, which stays.
 * @param {{title: string, lead?: string, fields: Field[], work: (values: any) => Promise<string>}} act
 *   `work` gives the sentence to tell
 */
export function askAndAct({ title, lead, fields, work }) {
  const wrong = el("div", { role: "alert" });
  const enter = el("button.button.main", {}, title);
  const inputs = fields.map((field) => ({ field, input: inputOf(field) }));
  const submit = async (/** @type {Event} */ event) => {
    event.preventDefault();
    enter.setAttribute("disabled", "");
    fill(wrong);
    try {
      const values = inputs.map(({ field, input }) => [field.name, valueOf(input)]);
      const sentence = await work(Object.fromEntries(values));
      dialog.close();
      fill(told, el("p.note.good", {}, sentence));
    } catch (error) {
      if (error instanceof Mistaken) tellError(wrong, error.message);
      else tellFailure(wrong, error);
    } finally {
      enter.removeAttribute("disabled");
    }
  };
  const form = el(
    "form.stack",
    { onsubmit: submit },
    lead ? el("p", {}, lead) : null,
    ...inputs.map(({ field, input }) => wrap(field, input)),
    wrong,
    enter,
  );
  fill(told);
  const dialog = openDialog(title, form);
  inputs[0]?.input.focus();
}

/** @param {Field} field */
const idOf = ({ name }) => `field-${name}`;

/** @param {Field} field @returns {HTMLInputElement | HTMLSelectElement} */
function inputOf(field) {
  const { kind = "text", options = {}, value = "", isOptional = false } = field;
  const id = idOf(field);
  const made =
    kind === "choice"
      ? el("select", { id }, ...choicesOf(options, value))
      : kind === "check"
        ? el("input", { id, type: "checkbox", checked: value === "yes", required: !isOptional })
        : el("input", { id, type: kind, value, required: !isOptional, maxlength: REASON_SIZE });
  return /** @type {any} */ (made);
}

/** @param {Record<string, string>} options @param {string} value */
const choicesOf = (options, value) =>
  Object.entries(options).map(([name, words]) =>
    el("option", { value: name, selected: name === value }, words),
  );

/** @param {HTMLInputElement | HTMLSelectElement} input */
const valueOf = (input) =>
  input instanceof HTMLInputElement && input.type === "checkbox"
    ? input.checked
    : input.value.trim();

/** @param {Field} field @param {HTMLElement} input */
function wrap(field, input) {
  const label = el("label", { for: idOf(field) }, field.label);
  return field.kind === "check"
    ? el("div.row.check", {}, input, label)
    : el("div.field", {}, label, input);
}

/** @param {string} [label] @returns {Field} why something is done; it is kept */
export const reasonField = (label) => ({ name: "reason", label: label ?? say("console.reason") });
