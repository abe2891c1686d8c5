/** The picture of a locker as somebody sees it who stands before it, with one door pointed out. */

import { el } from "../kit/dom.js";
import { say } from "../kit/words.js";

const SIDES = ["LEFT", "CENTRE", "RIGHT"];

/**
 * @param {{side: string, row: number, column: number, label: string}} mine
 * @param {{side: string, row: number, column: number}[] | null} all every door, where they are told
 * @returns {HTMLElement}
 */
export function pictureOf(mine, all) {
  const doors = all ?? [mine];
  const columns = [...new Set(doors.map(columnOf))].sort((one, other) => one - other);
  const picture = el("div.locker", {
    role: "img",
    "aria-label": `${say("parcel.door")}: ${mine.label}`,
  });
  for (const door of doors) {
    const isMine = door.side === mine.side && door.row === mine.row && door.column === mine.column;
    const drawn = el(isMine ? "span.mine" : "span", {}, isMine ? mine.label : "");
    drawn.style.gridColumn = String(columns.indexOf(columnOf(door)) + 1);
    drawn.style.gridRow = String(door.row);
    picture.append(drawn);
  }
  return picture;
}

/** @param {{side: string, column: number}} door */
const columnOf = (door) => SIDES.indexOf(door.side) * 100 + door.column;
