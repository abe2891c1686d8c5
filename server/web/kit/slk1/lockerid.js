/** The text form of a locker id: base64url without padding, 11 characters for 8 bytes. */
import { asBase64Url, fromBase64Url } from "./bytes.js";
import { Malformed } from "./errors.js";
import { ID_SIZE } from "./fields.js";

/**
 * @param {Uint8Array} lid
 * @returns {string}
 */
export function lockerText(lid) {
  return asBase64Url(lid);
}

/**
 * The locker id that `text` names; Malformed unless it is the one canonical text form.
 * @param {unknown} text
 * @returns {Uint8Array}
 */
export function parseLockerText(text) {
  const lid = fromBase64Url(text);
  if (lid.length !== ID_SIZE) throw new Malformed("a locker id is 11 characters of base64url");
  return lid;
}
