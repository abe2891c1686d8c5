/** What this phone carries home from lockers: envelopes, and what they signed. Needs no account. */

import { askAnybody, Unreachable } from "../kit/account.js";
import { asBase64 } from "../kit/slk1/bytes.js";
import { change, find } from "../kit/store.js";

const ENVELOPES = "envelopes";
const HEADS = "heads";

/** As many as the server takes in one call. */
const ENVELOPES_AT_ONCE = 16;
const HEADS_AT_ONCE = 64;

const BRING = `mutation($envelopes: [Base64!]!) { deliverEnvelopes(envelopes: $envelopes) {
  __typename ... on DeliverEnvelopesPayload { outcomes { __typename ... on Problem { code } } }
  ... on Problem { code message } } }`;

const TELL = `mutation($heads: [SignedHeadInput!]!) { deliverSignedHeads(heads: $heads) {
  __typename ... on Problem { code message } } }`;

/**
 * Keeps what a locker signed and sealed, until it is brought.
 * @param {string} lockerId
 * @param {{seq: number, head: Uint8Array, signature: Uint8Array}[]} reports
 * @param {Uint8Array[]} envelopes
 */
export async function keepLuggage(lockerId, reports, envelopes) {
  const heads = reports.map(({ seq, head, signature }) => ({
    lockerId,
    seq,
    head: asBase64(head),
    signature: asBase64(signature),
  }));
  await change(HEADS, (/** @type {any[]} */ kept = []) => [...kept, ...heads]);
  await change(ENVELOPES, (/** @type {string[]} */ kept = []) => [
    ...kept,
    ...envelopes.map(asBase64),
  ]);
}

/** Brings the server all that is kept. If it ends in the middle, it is brought again: no matter. */
export async function carryHome() {
  try {
    await bring(ENVELOPES, ENVELOPES_AT_ONCE, async (envelopes) => {
      const { outcomes } = await askAnybody(BRING, { envelopes }, "deliverEnvelopes");
      // What was refused for now is brought again; what is no envelope will never be one.
      return outcomes.map(
        (/** @type {any} */ one) => one.__typename !== "Problem" || one.code === "ENVELOPE_INVALID",
      );
    });
    await bring(HEADS, HEADS_AT_ONCE, async (heads) => {
      await askAnybody(TELL, { heads }, "deliverSignedHeads");
      return heads.map(() => true);
    });
  } catch (error) {
    if (!(error instanceof Unreachable)) throw error;
  }
}

/**
 * @param {string} name
 * @param {number} atOnce
 * @param {(some: any[]) => Promise<boolean[]>} give which of them are done with
 */
async function bring(name, atOnce, give) {
  for (let kept = (await find(name)) ?? []; kept.length > 0;) {
    const some = kept.slice(0, atOnce);
    const done = await give(some);
    const gone = new Set(
      some.filter((_one, place) => done[place]).map((one) => JSON.stringify(one)),
    );
    kept = await change(name, (/** @type {any[]} */ now = []) =>
      now.filter((one) => !gone.has(JSON.stringify(one))),
    );
    if (gone.size === 0) return;
  }
}
