/** Hubs where they lie, by their positions alone: a grid, a scale, and the number of each. */

import { shape, shapeOfText } from "./shapes.js";

const [WIDTH, HEIGHT, EDGE] = [720, 360, 28];
const KM_PER_DEGREE = 111.32;
const SCALES_KM = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000];
/** Hubs nearer to each other than this are drawn as if they were so far apart. */
const SMALLEST_KM = 0.2;
const LINES = 6;

/** @typedef {{latitude: number, longitude: number}} Position */

/**
 * @param {Position[]} hubs at least one; the first is number 1
 * @param {string} title
 * @returns {SVGElement}
 */
export function mapOf(hubs, title) {
  const { x, y, scale } = projectionOf(hubs);
  const picture = shape("svg", {
    class: "map",
    viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
    role: "img",
    "aria-label": title,
  });
  for (let line = 0; line <= LINES; line += 1) {
    const [across, down] = [(WIDTH * line) / LINES, (HEIGHT * line) / LINES];
    picture.append(
      shape("line", { class: "grid", x1: across, x2: across, y1: 0, y2: HEIGHT }),
      shape("line", { class: "grid", x1: 0, x2: WIDTH, y1: down, y2: down }),
    );
  }
  hubs.forEach((hub, index) => {
    const at = { x: x(hub), y: y(hub) };
    picture.append(
      shape("circle", { class: "hub", cx: at.x, cy: at.y, r: 12 }),
      shapeOfText(String(index + 1), {
        class: "number",
        x: at.x,
        y: at.y + 4,
        "text-anchor": "middle",
      }),
    );
  });
  picture.append(...scaleBar(scale));
  return picture;
}

/**
 * North is up; a kilometre is as long across as it is down, at the middle of what is shown.
 * @param {Position[]} hubs
 */
export function projectionOf(hubs) {
  const [south, north] = rangeOf(hubs.map(({ latitude }) => latitude));
  const [west, east] = rangeOf(hubs.map(({ longitude }) => longitude));
  const narrowing = Math.max(0.01, Math.cos((((south + north) / 2) * Math.PI) / 180));
  const wideKm = Math.max(SMALLEST_KM, (east - west) * KM_PER_DEGREE * narrowing);
  const highKm = Math.max(SMALLEST_KM, (north - south) * KM_PER_DEGREE);
  const scale = Math.min((WIDTH - 2 * EDGE) / wideKm, (HEIGHT - 2 * EDGE) / highKm);
  const km = (/** @type {number} */ degrees) => degrees * KM_PER_DEGREE * scale;
  return {
    scale,
    x: (/** @type {Position} */ hub) =>
      WIDTH / 2 + km((hub.longitude - (west + east) / 2) * narrowing),
    y: (/** @type {Position} */ hub) => HEIGHT / 2 - km(hub.latitude - (south + north) / 2),
  };
}

/** @param {number[]} values */
const rangeOf = (values) => [Math.min(...values), Math.max(...values)];

/** @param {number} scale units of the picture in a kilometre @returns {SVGElement[]} */
function scaleBar(scale) {
  const km = SCALES_KM.filter((one) => one * scale < WIDTH / 4).at(-1) ?? SCALES_KM[0];
  const y = HEIGHT - 10;
  const words = km < 1 ? `${km * 1000} m` : `${km} km`;
  return [
    shape("line", { class: "course", x1: 10, x2: 10 + km * scale, y1: y, y2: y }),
    shapeOfText(words, { x: 10, y: y - 6 }),
  ];
}
