// The project's frozen bytes, the keys in them as WebCrypto has them, and seeded randomness.
import { asHex } from "../../server/web/kit/slk1/bytes.js";

export const hex = (data) => asHex(data);
export const bytes = (text) =>
  Uint8Array.from(text.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));

export async function loadFrozen(name) {
  const url = new URL(`../../schema/vectors/${name}`, import.meta.url);
  return (await import(url, { with: { type: "json" } })).default;
}

const PKCS8 = {
  Ed25519: "302e020100300506032b657004220420",
  X25519: "302e020100300506032b656e04220420",
};

async function importPair(kind, seed, uses) {
  const raw = bytes(PKCS8[kind] + seed);
  const open = await crypto.subtle.importKey("pkcs8", raw, kind, true, uses);
  const { d, ...jwk } = await crypto.subtle.exportKey("jwk", open);
  const publicUses = kind === "Ed25519" ? ["verify"] : [];
  const publicKey = await crypto.subtle.importKey(
    "jwk",
    { ...jwk, key_ops: publicUses },
    kind,
    true,
    publicUses,
  );
  return { publicKey, privateKey: await crypto.subtle.importKey("pkcs8", raw, kind, false, uses) };
}

export const signingPair = (seed) => importPair("Ed25519", seed, ["sign"]);
export const agreeingPair = (seed) => importPair("X25519", seed, ["deriveBits"]);

// mulberry32: the same numbers in every run.
export function seeded(seed) {
  let state = seed;
  const next = () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const below = (limit) => Math.floor(next() * limit);
  return {
    below,
    pick: (items) => items[below(items.length)],
    take: (size) => Uint8Array.from({ length: size }, () => below(256)),
  };
}

// A few bits, bytes or lengths of `data` changed, as the radio or an enemy might.
export function mutate(random, data) {
  const out = Array.from(data);
  for (let left = 1 + random.below(3); left > 0; left -= 1) {
    const at = random.below(out.length + 1);
    random.pick([
      () => {
        if (at < out.length) out[at] ^= 1 << random.below(8);
      },
      () => out.splice(at, 1 + random.below(4)),
      () => out.splice(at, 0, random.below(256)),
      () => {
        if (at < out.length)
          out[at] = random.pick([0, 0x18, 0x1b, 0x3b, 0x5f, 0x80, 0x9f, 0xbf, 0xf6, 0xff]);
      },
    ])();
  }
  return Uint8Array.from(out);
}
