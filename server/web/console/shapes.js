/** Pieces of SVG pictures; as elsewhere, text stays text. */

const SVG = "http://www.w3.org/2000/svg";

/**
 * @param {string} name
 * @param {Record<string, string | number>} traits
 * @returns {SVGElement}
 */
export function shape(name, traits) {
  const made = document.createElementNS(SVG, name);
  for (const [trait, value] of Object.entries(traits)) made.setAttribute(trait, String(value));
  return /** @type {SVGElement} */ (made);
}

/**
 * @param {string} text
 * @param {Record<string, string | number>} traits
 */
export function shapeOfText(text, traits) {
  const made = shape("text", traits);
  made.textContent = text;
  return made;
}
