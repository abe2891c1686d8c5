/** What the locker answers, and what became of a door; names and numbers are API. */

/** Answers to a request or a frame (PROTOCOL 4). */
export const Code = Object.freeze({
  OK: 0,
  BAD_FORMAT: 1,
  BAD_SIGNATURE: 2,
  WRONG_LOCKER: 3,
  EXPIRED: 4,
  NOT_YET_VALID: 5,
  REVOKED: 6,
  USED: 7,
  OUT_OF_SCOPE: 8,
  HOLDER_PROOF_FAILED: 9,
  CLOCK_UNTRUSTED: 10,
  REVOCATIONS_NEEDED: 11,
  BAD_DELEGATION: 12,
  COMPARTMENT_BUSY: 13,
  COMPARTMENT_FAULT: 14,
  RATE_LIMITED: 15,
  POWER_CRITICAL: 16,
  QUARANTINED: 17,
  CLIMATE_HOLD: 18,
  HOST_CLOSED: 19,
  PRESENCE_CODE_WRONG: 20,
  STORAGE_FULL: 21,
});

/** What became of a door after an acceptance (PROTOCOL 4). */
export const DoorEvent = Object.freeze({
  DOOR_OPENED: 100,
  CLOSED_EMPTY: 101,
  CLOSED_OCCUPIED: 102,
  CLOSED_UNKNOWN: 103,
  OPEN_NOT_DETECTED: 104,
  CLOSE_OVERDUE: 105,
});

/** What a request asks for, and the bits of every `actions` mask (PROTOCOL 2). */
export const Operation = Object.freeze({
  OPEN: 1,
  DEPOSIT: 2,
  INSPECT: 4,
  SERVICE: 8,
  SYNC: 16,
  OPEN_ALL: 64,
});

/** Whom a token was issued to (PROTOCOL 2). */
export const Role = Object.freeze({ RECIPIENT: 0, COURIER: 1, HUB: 2, TECHNICIAN: 3, OPERATOR: 4 });

const NAMES = new Map(
  Object.entries({ ...Code, ...DoorEvent }).map(([name, code]) => [code, name]),
);

/**
 * The name of an answer or a door event; null for a number of a later version.
 * @param {number} code
 * @returns {string | null}
 */
export function findCodeName(code) {
  return NAMES.get(code) ?? null;
}
