/** One visit at a door, with what is kept on this phone and nothing else. */

import { deviceSign } from "../kit/device.js";
import { Code } from "../kit/slk1/codes.js";
import { chooseLocker, connectLocker } from "../kit/slk1/bluetooth.js";
import { readPass } from "../kit/slk1/bundles.js";
import { LinkError } from "../kit/slk1/errors.js";
import { PhoneLink } from "../kit/slk1/link.js";
import { Session } from "../kit/slk1/session.js";
import { keepLuggage } from "./luggage.js";

/** How long a door is followed: longer than the locker waits until it complains. */
const FOLLOW_MS = 300_000;

/**
 * Opens a door; needs a click or a key press. Whatever the locker signed, and what it wants carried
 * home, is kept however the visit ends.
 * @param {any} bundle as the server gave it
 * @param {{
 *   onStep: (step: "asking") => void,
 *   onReport: (report: {code: number, comp: number | null}) => void,
 *   findTime: (hello: Uint8Array) => Promise<Uint8Array | null>,
 * }} watcher
 * @returns {Promise<void>} Throws Slk1Error.
 */
export async function openDoor(bundle, { onStep, onReport, findTime }) {
  const pass = readPass({ operation: "OPEN", ...bundle });
  const device = await chooseLocker(pass.keys.lid, navigator.bluetooth);
  const link = new PhoneLink(await connectLocker(device));
  const session = new Session(link, pass.keys, deviceSign);
  const { lockerId } = bundle.locker;
  try {
    onStep("asking");
    const outcome = await session.request({
      chain: pass.chain,
      wish: { op: pass.operation },
      statements: pass.statements,
      findTime,
    });
    await keepLuggage(lockerId, [outcome.result], []);
    onReport(outcome.result);
    if (outcome.result.code === Code.OK) await follow(session, outcome, onReport);
    await keepLuggage(lockerId, outcome.events, outcome.envelopes);
  } finally {
    await link.close();
  }
}

/**
 * Door events, then the journal. A lost link costs these, not the door.
 * @param {Session} session
 * @param {import("../kit/slk1/session.js").Outcome} outcome
 * @param {(report: {code: number, comp: number | null}) => void} onReport
 */
async function follow(session, outcome, onReport) {
  try {
    await session.watch(outcome, { timeoutMs: FOLLOW_MS, onEvent: onReport });
    await session.sync(outcome);
  } catch (error) {
    if (!(error instanceof LinkError)) throw error;
  }
}
