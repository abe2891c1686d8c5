/** The text, or content of a QR code, by which a phone asks to be shared with: its key, checked. */
import { asBase64Url, fromBase64Url, isSame, join, utf8 } from "./bytes.js";
import { sha256 } from "./digest.js";
import { PUBLIC_KEY_SIZE } from "./ed25519.js";
import { Malformed, NotShared } from "./errors.js";

export const INVITE_PREFIX = "SLK1-KEY:";

const CHECK_SIZE = 4; // a slip of the pen in a key would share with nobody

/**
 * @param {Uint8Array} publicKey of the phone that asks
 * @returns {Promise<string>}
 */
export async function writeInvite(publicKey) {
  return INVITE_PREFIX + asBase64Url(join(publicKey, await check(publicKey)));
}

/**
 * The device key in an invitation; NotShared (NO_INVITE) for anything else.
 * @param {string} text as a person pasted or a camera read it
 * @returns {Promise<Uint8Array>}
 */
export async function readInvite(text) {
  const bare = text.trim();
  const raw = readKey(bare.startsWith(INVITE_PREFIX) ? bare.slice(INVITE_PREFIX.length) : bare);
  const publicKey = raw.slice(0, PUBLIC_KEY_SIZE);
  if (raw.length !== PUBLIC_KEY_SIZE + CHECK_SIZE) throw noInvite();
  if (!isSame(raw.slice(PUBLIC_KEY_SIZE), await check(publicKey))) throw noInvite();
  return publicKey;
}

function readKey(text) {
  try {
    return fromBase64Url(text);
  } catch (cause) {
    if (!(cause instanceof Malformed)) throw cause;
    throw noInvite(cause);
  }
}

function noInvite(cause) {
  return new NotShared("NO_INVITE", "this is no invitation of a phone", { cause });
}

async function check(publicKey) {
  return (await sha256(utf8(INVITE_PREFIX), publicKey)).slice(0, CHECK_SIZE);
}
