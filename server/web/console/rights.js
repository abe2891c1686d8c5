/**
 * What the console offers to whom: which buttons are worth showing. The server decides by itself,
 * and says so; nothing is protected here.
 */

const [CLERK, MANAGER, OWNER] = ["HUB_CLERK", "HUB_MANAGER", "HUB_OWNER"];
const [OPERATOR, AUDITOR, SUPPORT] = ["OPERATOR", "AUDITOR", "SUPPORT"];

/** Roles that see all that goes on at a hub. */
const WATCHERS = [CLERK, MANAGER, OWNER, OPERATOR, AUDITOR, SUPPORT];

const OFFERED = {
  inspect: [CLERK, MANAGER, OPERATOR],
  closeDoor: [MANAGER, OPERATOR],
  counter: [CLERK, MANAGER],
  incidents: [MANAGER, OWNER, OPERATOR],
  holds: [MANAGER, OWNER, OPERATOR],
  hours: [MANAGER, OWNER, OPERATOR],
  extend: [MANAGER, OWNER, OPERATOR, SUPPORT],
  journal: [MANAGER, OWNER, OPERATOR, AUDITOR, SUPPORT],
};

/** @typedef {keyof typeof OFFERED} Offer */
/** @typedef {{role: string, place: string | null}} HeldRole */

/** @param {HeldRole[]} roles @returns {string[]} global ids of the hubs that somebody works at */
export const hubsOf = (roles) => [
  ...new Set(
    roles.filter(({ role }) => WATCHERS.includes(role)).flatMap(({ place }) => place ?? []),
  ),
];

/** @param {HeldRole[]} roles @returns {boolean} whether all hubs are open to them */
export const isEverywhere = (roles) =>
  roles.some(({ role, place }) => place === null && WATCHERS.includes(role));

/**
 * @param {HeldRole[]} roles
 * @param {string} hub global id
 * @returns {(offer: Offer) => boolean}
 */
export function offersAt(roles, hub) {
  const held = roles.filter(({ place }) => place === null || place === hub).map(({ role }) => role);
  return (offer) => OFFERED[offer].some((role) => held.includes(role));
}
