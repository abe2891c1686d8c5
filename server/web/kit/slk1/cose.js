/**
 * COSE_Sign1 (RFC 9052 s. 4.2) over Ed25519, with algorithm and key id pinned. `aad` names the type
 * of the object, so that no signed object can stand for another.
 */
import { utf8 } from "./bytes.js";
import { decode, encode } from "./codec.js";
import { SIGNATURE_SIZE, sign, verify } from "./ed25519.js";
import { Malformed } from "./errors.js";
import { asArray, asBytes, asMap } from "./fields.js";

/** The eight bytes that name the type of a signed object (PROTOCOL 2). */
export const Aad = Object.freeze({
  TOKEN: "SLK1-tok",
  DELEGATION: "SLK1-dlg",
  REVOCATIONS: "SLK1-rev",
  TIME: "SLK1-tim",
  KEY_SET: "SLK1-key",
  CONFIGURATION: "SLK1-cfg",
  ACKNOWLEDGEMENT: "SLK1-ack",
});

export const KEY_ID_SIZE = 2;

const ALG = 1; // RFC 9052 s. 3.1
const KID = 4;
const EDDSA = -8; // RFC 9053 s. 2.2

/**
 * One COSE_Sign1 whose form was checked; its signature was not yet.
 * @typedef {object} Signed
 * @property {Uint8Array | null} kid
 * @property {Uint8Array} payload
 * @property {Uint8Array} signature
 * @property {Uint8Array} protected
 */

/**
 * The parts of a COSE_Sign1; Malformed unless form, algorithm and headers are the pinned ones.
 * @param {Uint8Array} data
 * @param {{withKid: boolean}} form
 * @returns {Signed}
 */
export function parseObject(data, { withKid }) {
  const [headers, unprotected, payload, signature] = asArray(decode(data), 4);
  asMap(unprotected, []);
  const raw = asBytes(headers);
  const found = asMap(decode(raw), withKid ? [ALG, KID] : [ALG]);
  if (found.get(ALG) !== EDDSA) throw new Malformed("the algorithm must be EdDSA");
  return Object.freeze({
    kid: withKid ? asBytes(found.get(KID), KEY_ID_SIZE) : null,
    payload: asBytes(payload),
    signature: asBytes(signature, SIGNATURE_SIZE),
    protected: raw,
  });
}

/**
 * Whether `publicKey` signed this object as the type that `aad` names.
 * @param {Signed} signed
 * @param {Uint8Array} publicKey
 * @param {string} aad of `Aad`
 * @returns {Promise<boolean>}
 */
export function isSignedBy(signed, publicKey, aad) {
  return verify(publicKey, toBeSigned(signed.protected, aad, signed.payload), signed.signature);
}

/**
 * A COSE_Sign1 over `payload`; a delegation carries no key id (null), everything else does.
 * @param {import('./ed25519.js').Signer} signer
 * @param {string} aad of `Aad`
 * @param {Uint8Array} payload
 * @param {Uint8Array | null} kid
 * @returns {Promise<Uint8Array>}
 */
export async function signObject(signer, aad, payload, kid) {
  const headers = new Map([[ALG, EDDSA]]);
  if (kid !== null) headers.set(KID, kid);
  const raw = encode(headers);
  const signature = await sign(signer, toBeSigned(raw, aad, payload));
  return encode([raw, new Map(), payload, signature]);
}

function toBeSigned(headers, aad, payload) {
  return encode(["Signature1", headers, utf8(aad), payload]);
}
