/** The API in the name of this device: requests bound to its key by DPoP (RFC 9449). */

import { asBase64Url } from "./slk1/bytes.js";
import { devicePublic, deviceSign } from "./device.js";

const PATH = "/graphql";
const ANSWER_MS = 20_000;
const EARLY_MS = 30_000;

/** No answer, or one that is none of ours: to be tried again. */
export class Unreachable extends Error {}

/** The server's refusal: `code` is one of its problem codes, the message a sentence for people. */
export class Declined extends Error {
  /** @param {{code: string, message: string, field?: string | null, retryAfterS?: number | null}} problem */
  constructor(problem) {
    super(problem.message);
    this.code = problem.code;
    this.field = problem.field ?? null;
    this.retryAfterS = problem.retryAfterS ?? null;
  }
}

/** The device is signed in to no account, or not any more. */
export class SignedOut extends Error {}

/** @type {{token: string, until: number} | null} */
let access = null;

const text = new TextEncoder();
const part = (/** @type {unknown} */ value) => asBase64Url(text.encode(JSON.stringify(value)));

/**
 * @param {string | null} token
 * @param {"POST" | "GET"} [method]
 */
async function makeProof(token, method = "POST") {
  const jwk = { kty: "OKP", crv: "Ed25519", x: asBase64Url(await devicePublic()) };
  /** @type {Record<string, unknown>} */
  const claims = {
    jti: asBase64Url(crypto.getRandomValues(new Uint8Array(16))),
    htm: method,
    htu: location.origin + PATH,
    iat: Math.floor(Date.now() / 1000),
  };
  if (token !== null) {
    const digest = await crypto.subtle.digest("SHA-256", text.encode(token));
    claims.ath = asBase64Url(new Uint8Array(digest));
  }
  const signed = `${part({ typ: "dpop+jwt", alg: "EdDSA", jwk })}.${part(claims)}`;
  return `${signed}.${asBase64Url(await deviceSign(text.encode(signed)))}`;
}

/**
 * @param {string} query
 * @param {Record<string, unknown>} variables
 * @param {Record<string, string>} headers
 */
async function post(query, variables, headers) {
  let response;
  try {
    response = await fetch(PATH, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        accept: "application/graphql-response+json",
        ...headers,
      },
      body: JSON.stringify({ query, variables }),
      signal: AbortSignal.timeout(ANSWER_MS),
      redirect: "error",
      credentials: "omit",
    });
    const answer = await response.json();
    if (answer.data === undefined && !answer.errors) throw new Unreachable("no GraphQL");
    return answer;
  } catch (error) {
    throw error instanceof Unreachable ? error : new Unreachable("no answer", { cause: error });
  }
}

/**
 * The payload of a field, which may be a Problem.
 * @param {any} answer
 * @param {string} field
 */
function pick(answer, field) {
  const [error] = answer.errors ?? [];
  if (error)
    throw new Declined({ code: error.extensions?.code ?? "FAULT", message: error.message });
  const payload = answer.data[field];
  if (payload?.__typename === "Problem") {
    if (payload.code === "SIGNED_OUT") throw new SignedOut(payload.message);
    throw new Declined(payload);
  }
  return payload;
}

/** @param {{accessToken: string, expiresAt: string}} payload */
function take(payload) {
  access = { token: payload.accessToken, until: Date.parse(payload.expiresAt) };
}

/**
 * Has a one-time code sent.
 * @param {string} address e-mail address or phone number
 * @returns {Promise<string>} the id to sign in with
 */
export async function requestCode(address) {
  const query = `mutation($address: String!) { requestSignInCode(address: $address) { __typename
    ... on RequestSignInCodePayload { requestId } ... on Problem { code message field retryAfterS } } }`;
  const payload = pick(await post(query, { address }, {}), "requestSignInCode");
  return payload.requestId;
}

/**
 * @param {string} requestId
 * @param {string} code as it was received
 * @param {string} name of this device, for its owner
 */
export async function signIn(requestId, code, name) {
  const query = `mutation($requestId: ID!, $code: String!) {
    signIn(requestId: $requestId, code: $code) { __typename
    ... on SignInPayload { accessToken expiresAt } ... on Problem { code message field } } }`;
  const headers = { DPoP: await makeProof(null) };
  take(pick(await post(query, { requestId, code }, headers), "signIn"));
  await ask(
    `mutation($name: String!) { registerDevice(name: $name) { __typename
      ... on Problem { code message } } }`,
    { name },
    "registerDevice",
  );
}

async function refresh() {
  const query = `mutation { refreshAccess { __typename
    ... on SignInPayload { accessToken expiresAt } ... on Problem { code message } } }`;
  const answer = await post(query, {}, { DPoP: await makeProof(null) });
  try {
    take(pick(answer, "refreshAccess"));
  } catch (error) {
    if (error instanceof Declined) throw new SignedOut(error.message, { cause: error });
    throw error;
  }
}

/** @returns {Promise<string>} an access token with some life left */
async function freshToken() {
  if (access === null || access.until - EARLY_MS < Date.now()) await refresh();
  return /** @type {{token: string}} */ (access).token;
}

/**
 * What opens a socket in this account's name; good once, as a handshake is a GET.
 * @param {{isRefused?: boolean}} [how] whether the last ones were refused: the token is renewed then
 * @returns {Promise<{authorization: string, dpop: string}>} Throws SignedOut, Unreachable.
 */
export async function socketCredentials({ isRefused = false } = {}) {
  if (isRefused) access = null;
  const token = await freshToken();
  return { authorization: `DPoP ${token}`, dpop: await makeProof(token, "GET") };
}

/**
 * One operation that needs no account.
 * @param {string} query
 * @param {Record<string, unknown>} variables
 * @param {string} field whose payload is wanted
 * @returns {Promise<any>} Throws Declined, Unreachable.
 */
export const askAnybody = async (query, variables, field) =>
  pick(await post(query, variables, {}), field);

/**
 * One operation in this account's name.
 * @param {string} query
 * @param {Record<string, unknown>} variables
 * @param {string} field whose payload is wanted
 * @returns {Promise<any>} Throws Declined, SignedOut, Unreachable.
 */
export async function ask(query, variables, field) {
  const token = await freshToken();
  const headers = { authorization: `DPoP ${token}`, DPoP: await makeProof(token) };
  return pick(await post(query, variables, headers), field);
}

/** Ends this device's access on the server, as far as it can be reached; forgets it here. */
export async function signOut() {
  try {
    await ask(`mutation { signOut { __typename ... on Problem { code message } } }`, {}, "signOut");
  } finally {
    access = null;
  }
}
