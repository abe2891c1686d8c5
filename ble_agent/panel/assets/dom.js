/** Making elements. Text stays text: nothing here ever parses markup. */

/**
 * A new element.
 * @param {string} name tag, with classes behind dots: `p.faint.small`
 * @param {Record<string, unknown>} traits attributes; functions are listeners (`onclick`), false and
 *   null leave one out, true sets an empty one
 * @param {...(Node | string | null | undefined | false)} children
 * @returns {HTMLElement}
 */
export function el(name, traits = {}, ...children) {
  const [tag, ...classes] = name.split(".");
  const made = document.createElement(tag);
  made.classList.add(...classes);
  for (const [trait, value] of Object.entries(traits)) {
    if (typeof value === "function") made.addEventListener(trait.slice(2), value);
    else if (value === true) made.setAttribute(trait, "");
    else if (value !== false && value !== null && value !== undefined)
      made.setAttribute(trait, String(value));
  }
  made.append(...children.filter((child) => child || child === ""));
  return made;
}

/**
 * Puts these in place of whatever the element holds.
 * @param {Element} where
 * @param {...(Node | string | null | undefined | false)} children
 */
export function fill(where, ...children) {
  where.replaceChildren(...children.filter((child) => child || child === ""));
}
