/** A day's opening hours as people write them: `09:00-12:30, 14:00-18:00`. */

const SPAN = /^(\d{1,2}):(\d{2})\s*[-–]\s*(\d{1,2}):(\d{2})$/;
const DAY_MINUTES = 1440;

/** What was written is no time span; the message is the part that is none. */
export class Unreadable extends Error {}

/** @typedef {{weekday: number, opensMinute: number, closesMinute: number}} Span */

/** @param {number} minutes after midnight */
const clock = (minutes) =>
  [Math.floor(minutes / 60), minutes % 60].map((part) => String(part).padStart(2, "0")).join(":");

/** @param {Span[]} week @param {number} weekday 0 is Monday */
export const writeSpans = (week, weekday) =>
  week
    .filter((span) => span.weekday === weekday)
    .map(({ opensMinute, closesMinute }) => `${clock(opensMinute)}-${clock(closesMinute)}`)
    .join(", ");

/**
 * @param {number} weekday 0 is Monday
 * @param {string} text spans parted by commas; none is shut all day
 * @returns {Span[]} Throws Unreadable.
 */
export function readSpans(weekday, text) {
  const parts = text.split(",").map((part) => part.trim());
  return parts.filter(Boolean).map((part) => {
    const [opensHour, opens, closesHour, closes] = (SPAN.exec(part) ?? []).slice(1).map(Number);
    const span = {
      weekday,
      opensMinute: opensHour * 60 + opens,
      closesMinute: closesHour * 60 + closes,
    };
    const isSpan = opens < 60 && closes < 60 && span.closesMinute <= DAY_MINUTES;
    if (!isSpan || span.opensMinute >= span.closesMinute) throw new Unreadable(part);
    return span;
  });
}
