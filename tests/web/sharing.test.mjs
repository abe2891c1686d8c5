import assert from "node:assert/strict";
import { test } from "node:test";

import { asBase64, utf8 } from "../../server/web/kit/slk1/bytes.js";
import { readPass } from "../../server/web/kit/slk1/bundles.js";
import { findFault, parseChain } from "../../server/web/kit/slk1/chains.js";
import { publicBytes } from "../../server/web/kit/slk1/ed25519.js";
import { Malformed } from "../../server/web/kit/slk1/errors.js";
import { readInvite, writeInvite } from "../../server/web/kit/slk1/invites.js";
import { chainAsBase64, checkTaken, share } from "../../server/web/kit/slk1/sharing.js";
import { delegate, parseToken } from "../../server/web/kit/slk1/tokens.js";
import { bytes, hex, loadFrozen, signingPair } from "./frozen.mjs";

const { keys, chain } = await loadFrozen("restante.json");
const raw = bytes(chain[0]);
const { exp, nbf } = parseToken(raw).claims;
const people = Object.fromEntries(
  await Promise.all(
    ["device", "friend", "neighbour"].map(async (name) => {
      const { privateKey, publicKey } = await signingPair(keys.seeds[name]);
      return [name, { signer: privateKey, publicKey: await publicBytes(publicKey) }];
    }),
  ),
);
const bundle = {
  operation: "OPEN",
  parcel: "parcel 1",
  locker: { lockerId: "ouJr2EbzBnI" },
  noisePublic: asBase64(bytes(keys.locker_x25519)),
  signPublic: asBase64(bytes(keys.public.locker)),
  token: { bytes: asBase64(raw), expiresAt: "2025-10-09T10:00:00+00:00" },
  compartment: { number: 3, label: "C3" },
  words: "left side, third column, second row",
  statements: [],
};
const terms = (name, changes) => ({
  holder: people[name].publicKey,
  until: exp,
  now: nbf,
  ...changes,
});
const refused = (reason) => ({ name: "NotShared", reason });

test("invite comes back as the key, with or without what a person adds", async () => {
  const { publicKey } = people.friend;
  const text = await writeInvite(publicKey);
  // As the reference phone writes it.
  assert.equal(text, "SLK1-KEY:4br8MGXSH-sysBuVI5OkZuaqWRwPJs_Y_5TiwcCOpuymFuYX");
  for (const typed of [text, ` ${text}\n`, text.slice(9)])
    assert.equal(hex(await readInvite(typed)), hex(publicKey));
});

test("invite with a slip of the pen is none", async () => {
  const text = await writeInvite(people.friend.publicKey);
  for (const slip of [
    text.slice(0, -1),
    `${text}A`,
    text.replace(/.$/, (last) => (last === "A" ? "B" : "A")),
    "hello",
    "",
  ]) {
    await assert.rejects(readInvite(slip), refused("NO_INVITE"));
  }
});

test("shared bundle opens for the other phone, and goes on as far as the token says", async () => {
  const shared = await share(bundle, people.device, terms("friend"));
  await checkTaken(shared, people.friend.publicKey);
  const again = await share(shared, people.friend, terms("neighbour", { until: exp - 1 }));
  await checkTaken(again, people.neighbour.publicKey);
  assert.equal(chainAsBase64(again).length, 3);
  assert.equal(bundle.delegations, undefined);
  await assert.rejects(share(again, people.neighbour, terms("device")), refused("NOT_EXTENDABLE"));
});

test("nobody shares more, or for longer, than they hold", async () => {
  await assert.rejects(share(bundle, people.friend, terms("neighbour")), refused("NOT_HOLDER"));
  await assert.rejects(
    share(bundle, people.device, terms("friend", { until: exp + 1 })),
    refused("TOO_LONG"),
  );
  await assert.rejects(
    share(bundle, people.device, terms("friend", { until: nbf })),
    refused("PAST"),
  );
  const deposit = { ...bundle, operation: "DEPOSIT" };
  await assert.rejects(share(deposit, people.device, terms("friend")), refused("NOT_EXTENDABLE"));
  const broken = { ...bundle, token: { bytes: "AAAA" } };
  await assert.rejects(share(broken, people.device, terms("friend")), refused("BROKEN"));
});

test("a bundle for another phone, or that its giver could not give, is not taken", async () => {
  const { device, friend, neighbour } = people;
  await assert.rejects(checkTaken(bundle, device.publicKey), refused("NOT_FOR_US"));
  const shared = await share(bundle, device, terms("friend"));
  await assert.rejects(checkTaken(shared, neighbour.publicKey), refused("NOT_FOR_US"));
  const stolen = asBase64(
    await delegate(friend.signer, raw, { exp, holder: friend.publicKey, actions: 1 }),
  );
  await assert.rejects(
    checkTaken({ ...bundle, delegations: [stolen] }, friend.publicKey),
    refused("BROKEN"),
  );
});

test("chain that widens, outlives or is spliced is found out", async () => {
  const { device, friend, neighbour } = people;
  const give = (giver, parent, changes) =>
    delegate(giver.signer, parent, { exp, holder: friend.publicKey, actions: 1, ...changes });
  const fault = async (...rest) => findFault(parseChain([raw, ...rest]));
  assert.equal(await fault(await give(device, raw)), null);
  assert.equal(await fault(await give(device, raw, { actions: 3 })), "TOO_WIDE");
  assert.equal(await fault(await give(device, raw, { actions: 2 ** 40 + 1 })), "TOO_WIDE");
  assert.equal(await fault(await give(device, raw, { exp: exp + 1 })), "TOO_WIDE");
  assert.equal(await fault(await give(neighbour, raw)), "FOREIGN");
  assert.equal(await fault(await give(device, utf8("another token"))), "FOREIGN");
  assert.throws(() => parseChain([]), Malformed);
  assert.throws(() => parseChain([raw, raw]), Malformed);
  const parts = Array(3).fill(await give(device, raw));
  assert.equal(await fault(...parts.slice(1)), "FOREIGN");
  assert.throws(() => parseChain([raw, ...parts]), Malformed);
});

test("a bundle with a field missing or of another kind is malformed", () => {
  assert.equal(readPass(bundle).chain.length, 1);
  for (const name of Object.keys(bundle).filter((key) => key !== "parcel")) {
    for (const wrong of [undefined, null, 7, {}, "constructor", ["x"]]) {
      if (name === "words" && wrong === "constructor") continue;
      assert.throws(() => readPass({ ...bundle, [name]: wrong }), Malformed, `${name}: ${wrong}`);
    }
  }
  for (const wrong of [null, "text", 5]) assert.throws(() => readPass(wrong), Malformed);
  const strange = { ...bundle, statements: [{ type: "toString", bytes: "" }] };
  assert.throws(() => readPass(strange), Malformed);
});
