/** Receipts and proofs, kept as files. */

import { saveFile } from "../kit/telling.js";

/**
 * @param {string} name
 * @param {string} base64 its bytes
 */
export const saveBytes = (name, base64) =>
  saveFile(
    name,
    Uint8Array.from(atob(base64), (one) => one.charCodeAt(0)),
    "application/octet-stream",
  );
