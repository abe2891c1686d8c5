// Whatever the bytes: our one error or a value, never another exception.
import assert from "node:assert/strict";
import { test } from "node:test";

import { parseChain } from "../../server/web/kit/slk1/chains.js";
import { isSignedBy, Aad } from "../../server/web/kit/slk1/cose.js";
import { publicBytes, sign, verify } from "../../server/web/kit/slk1/ed25519.js";
import { Malformed, NotShared } from "../../server/web/kit/slk1/errors.js";
import { parseFrame, parseHello, parseFirst } from "../../server/web/kit/slk1/frames.js";
import { Reassembler, split } from "../../server/web/kit/slk1/gatt.js";
import { readInvite } from "../../server/web/kit/slk1/invites.js";
import { parseLockerText } from "../../server/web/kit/slk1/lockerid.js";
import { parseShownToken } from "../../server/web/kit/slk1/passes.js";
import { asBase45, fromBase45 } from "../../server/web/kit/slk1/base45.js";
import { parseStatement } from "../../server/web/kit/slk1/statements.js";
import { parseDelegation, parseToken } from "../../server/web/kit/slk1/tokens.js";
import { PhoneVisit } from "../../server/web/kit/slk1/visit.js";
import { agreeingPair, bytes, hex, loadFrozen, mutate, seeded, signingPair } from "./frozen.mjs";

const given = await loadFrozen("slk1.json");
const { keys, visit } = given;

function endsInOurs(read, error = Malformed) {
  try {
    read();
  } catch (thrown) {
    assert.ok(thrown instanceof error, thrown);
  }
}

test("changed and random bytes end in Malformed", () => {
  const targets = [
    [parseToken, given.token],
    [parseDelegation, given.delegation.bytes],
    [(raw) => parseChain([raw]), given.token],
    [parseHello, visit.hello.slice(64)],
    [parseFirst, visit.message3_plain],
    [parseFrame, visit.door_opened.plain],
    [parseFrame, visit.sync.answer_plain],
    ...["rev", "tim", "key", "cfg", "ack"].map((name, at) => [
      (raw) => parseStatement(at + 1, raw),
      given.statements[name],
    ]),
  ];
  const random = seeded(7);
  for (const [read, good] of targets) {
    read(bytes(good));
    for (let round = 0; round < 250; round += 1) {
      endsInOurs(() => read(mutate(random, bytes(good))));
      endsInOurs(() => read(random.take(random.below(120))));
    }
  }
});

test("each flipped bit of a hello or an answer is noticed", async () => {
  const lid = bytes(keys.lid);
  const ephemeral = await agreeingPair(keys.phone_ephemeral);
  const parties = { lid, noisePublic: bytes(keys.locker_x25519_public), ephemeral };
  const random = seeded(8);
  const flip = (text) => {
    const out = bytes(text);
    out[random.below(out.length)] ^= 1 << random.below(8);
    return out;
  };
  for (let round = 0; round < 40; round += 1) {
    // Either the phone sees it, or its answer is sealed over another hash and opens nowhere.
    const sealed = await PhoneVisit.begin(flip(visit.hello), parties)
      .then((phone) => phone.writePayload(bytes(visit.message2_plain)))
      .catch((error) => assert.ok(error instanceof Malformed, error));
    if (sealed) assert.notEqual(hex(sealed), visit.message2);
  }
  const phone = await PhoneVisit.begin(bytes(visit.hello), parties);
  await phone.writePayload(bytes(visit.message2_plain));
  for (let round = 0; round < 100; round += 1) {
    assert.throws(() => phone.readFirst(flip(visit.message3)).report, Malformed);
  }
  assert.equal(phone.readFirst(bytes(visit.message3)).report.code, 0);
});

test("a signature is refused, not thrown at, whatever it and its key are", async () => {
  const message = bytes("00");
  const random = seeded(9);
  const identity = bytes(`01${"00".repeat(31)}`);
  const forged = new Uint8Array([...identity, ...new Uint8Array(32)]);
  const pair = await signingPair(keys.device_seed);
  const honest = await publicBytes(pair.publicKey);
  const signature = new Uint8Array(await crypto.subtle.sign("Ed25519", pair.privateKey, message));
  assert.ok(await verify(honest, message, signature));
  const low = ["01", "00", "ec", "ed", "ee"].map((byte) =>
    byte < "e" ? byte + "00".repeat(31) : `${byte}${"ff".repeat(30)}7f`,
  );
  for (const point of [...low, `01${"00".repeat(30)}80`, `f0${"ff".repeat(30)}7f`]) {
    assert.ok(!(await verify(bytes(point), message, forged)), point);
  }
  const tooLarge = signature.slice();
  tooLarge[63] |= 0xe0;
  for (const wrong of [tooLarge, forged, signature.slice(1), new Uint8Array(0)]) {
    assert.ok(!(await verify(honest, message, wrong)));
  }
  for (let round = 0; round < 60; round += 1) {
    assert.ok(!(await verify(random.take(32), message, signature)));
    assert.ok(!(await verify(honest, message, random.take(64))));
  }
  const { signed } = parseToken(bytes(given.token));
  assert.ok(!(await isSignedBy(signed, new Uint8Array(32), Aad.TOKEN)));
});

test("a signer that gives no signature is our mistake", async () => {
  for (const size of [0, 63, 65]) {
    await assert.rejects(
      sign(async () => new Uint8Array(size), bytes("00")),
      TypeError,
    );
  }
  assert.equal((await sign(async () => new ArrayBuffer(64), bytes("00"))).length, 64);
});

test("fragments come together whatever the sizes, and never to another message", () => {
  const random = seeded(10);
  const into = new Reassembler();
  for (let round = 0; round < 400; round += 1) {
    const size = 12 + random.below(500);
    const message = random.take(1 + random.below(Math.min(1400, 128 * (size - 1))));
    const parts = split(message, size);
    assert.ok(parts.every((part) => part.length <= size));
    if (random.below(3) === 0) into.take(random.take(random.below(30)), 0);
    assert.equal(hex(parts.map((part) => into.take(part, 0)).at(-1)), hex(message));
  }
});

test("fragments out of order, empty, late or too many drop the message", () => {
  const [first, second, third] = split(new Uint8Array(30).fill(7), 12);
  const takes = (...parts) => {
    const into = new Reassembler();
    return parts.map(([part, atMs]) => into.take(part, atMs)).at(-1);
  };
  assert.equal(takes([first, 0], [third, 0]), 0x80);
  assert.equal(takes([second, 0]), 0x80);
  assert.equal(takes([first, 0], [bytes("01"), 0]), 0x80);
  assert.equal(takes([bytes(""), 0]), 0x80);
  assert.equal(takes([first, 0], [second, 5001]), 0x80);
  assert.equal(takes([first, 0], [second, 0], [second, 0]), 0x80);
  assert.equal(takes([first, 0], [first, 0], [second, 0], [third, 0]).length, 30);
  const endless = Array.from({ length: 4 }, (_, at) => [new Uint8Array(512).fill(at, 0, 1), 0]);
  assert.equal(takes(...endless.slice(0, 3)), 0x84);
});

test("texts that people and cameras bring end in our errors", async () => {
  const random = seeded(11);
  const letters = "ABCabc019 $%*+-./:=_ü\u{1f4e6}";
  const texts = Array.from(
    { length: 300 },
    () =>
      random.pick(["", "SLK1:", "SLK1-KEY:"]) +
      Array.from({ length: random.below(80) }, () => random.pick(Array.from(letters))).join(""),
  );
  for (const text of texts) {
    endsInOurs(() => parseShownToken(text));
    endsInOurs(() => parseLockerText(text));
    await assert.rejects(readInvite(text), NotShared);
  }
});

test("base45 is that of its standard, and comes back from any bytes", () => {
  const frozen = {
    AB: "BB8",
    "Hello!!": "%69 VD92EX0",
    "base-45": "UJCLQE7W581",
    "ietf!": "QED8WEX0",
  };
  for (const [text, spelled] of Object.entries(frozen)) {
    assert.equal(asBase45(new TextEncoder().encode(text)), spelled);
    assert.equal(new TextDecoder().decode(fromBase45(spelled)), text);
  }
  const random = seeded(12);
  for (let round = 0; round < 300; round += 1) {
    const data = random.take(random.below(40));
    assert.equal(hex(fromBase45(asBase45(data))), hex(data));
  }
  for (const wrong of ["A", "ZZZZ", ":::", "GGX", "::", "a00"]) {
    assert.throws(() => fromBase45(wrong), Malformed, wrong);
  }
});
