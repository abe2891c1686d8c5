/** What staff may have done, by the public API; the server says whether it was. */

import { ask } from "../kit/account.js";

/**
 * @param {string} field
 * @param {Record<string, string>} types of its arguments, by name
 * @returns {(variables: Record<string, unknown>) => Promise<any>} Throws Declined, SignedOut,
 *   Unreachable.
 */
function act(field, types) {
  const names = Object.keys(types);
  const heads = names.map((name) => `$${name}: ${types[name]}`).join(", ");
  const values = names.map((name) => `${name}: $${name}`).join(", ");
  const query = `mutation(${heads}) { ${field}(${values}) { __typename
    ... on Problem { code message field } } }`;
  return (variables) => ask(query, variables, field);
}

const DOOR = { locker: "ID!", number: "Int!", reason: "String!" };

export const quarantine = act("quarantineCompartment", DOOR);
export const takeOutOfService = act("takeOutOfService", DOOR);
export const returnToService = act("returnToService", DOOR);
export const recordInspection = act("recordInspection", {
  locker: "ID!",
  number: "Int!",
  found: "InspectionFinding!",
  note: "String!",
});
export const recordAssistance = act("recordAssistance", { parcel: "ID!" });
export const resolveIncident = act("resolveIncident", { incident: "ID!", reason: "String!" });
export const resolveHold = act("resolveHold", {
  parcel: "ID!",
  outcome: "HoldOutcome!",
  reason: "String!",
});
export const recordArrival = act("recordArrivalAtCounter", {
  parcel: "ID!",
  why: "CounterReason!",
});
export const handOver = act("handOverAtCounter", {
  parcel: "ID!",
  proof: "IdentityProof!",
  digits: "String",
  ageChecked: "Boolean!",
  codPaid: "Boolean!",
});
export const extendPickup = act("extendPickup", { parcel: "ID!", deadlineVersion: "Int!" });
export const updateHours = act("updateHubHours", {
  hub: "ID!",
  week: "[OpeningInput!]!",
  closures: "[ClosureInput!]!",
});
