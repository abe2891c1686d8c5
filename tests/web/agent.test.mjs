// A phone in JavaScript at the real agent: the unlock, and everything that must not be one.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { Code, DoorEvent, Operation } from "../../server/web/kit/slk1/codes.js";
import { Lost, Malformed, NotVouched, Refused, Silent } from "../../server/web/kit/slk1/errors.js";
import { AttError } from "../../server/web/kit/slk1/gatt.js";
import { makeEphemeral } from "../../server/web/kit/slk1/noise.js";
import { READABLE_ENVELOPE } from "../../server/web/kit/slk1/session.js";
import { StatementType } from "../../server/web/kit/slk1/statements.js";
import { delegate } from "../../server/web/kit/slk1/tokens.js";
import { PhoneVisit } from "../../server/web/kit/slk1/visit.js";
import { bytes, hex } from "./frozen.mjs";
import { Locker, makeDevice } from "./locker.mjs";

const PATIENCE_MS = 5000;
const OPEN = { op: Operation.OPEN };

let locker;
let device;
before(async () => {
  locker = await Locker.start();
  device = await makeDevice();
});
after(() => locker.stop());

let stays = 0;
async function deposit() {
  const stay = `${"77".repeat(6)}${(stays += 1).toString(16).padStart(4, "0")}`;
  return { stay, comp: Number(await locker.ask("deposit", stay)) };
}

// Takes the parcel out and shuts the door, so that nothing of one test is left for another.
async function collect(session, outcome, comp) {
  await locker.ask("shut", comp, "empty");
  await session.watch(outcome, { timeoutMs: PATIENCE_MS });
}

test("right token opens the door, each event is vouched for, the journal goes home", async () => {
  const { stay, comp } = await deposit();
  const { session, link } = await locker.session(device);
  const outcome = await session.request({
    chain: [await locker.token("OPEN", device, { stay })],
    wish: OPEN,
  });
  assert.deepEqual([outcome.result.code, outcome.result.comp], [Code.OK, comp]);
  const seen = [];
  const watching = session.watch(outcome, {
    timeoutMs: PATIENCE_MS,
    onEvent: ({ code }) => seen.push(code),
  });
  await locker.ask("shut", comp, "empty");
  await watching;
  assert.deepEqual(seen, [DoorEvent.DOOR_OPENED, DoorEvent.CLOSED_EMPTY]);
  assert.deepEqual(
    outcome.events.map(({ code }) => code),
    seen,
  );
  assert.equal((await session.reopen(outcome, (comp % 4) + 1)).code, Code.OUT_OF_SCOPE);
  assert.equal((await session.reopen(outcome, comp)).code, Code.OK);
  await collect(session, outcome, comp);
  assert.deepEqual(
    outcome.events.map(({ code }) => code),
    [...seen, ...seen],
  );
  assert.equal(await session.sync(outcome), null);
  assert.equal(outcome.pending, 0);
  let next = 1;
  for (const envelope of outcome.envelopes) {
    const [first, count] = (await locker.ask("open", hex(envelope))).split(" ").map(Number);
    assert.equal(first, next);
    next += count;
  }
  assert.equal(next - 1, (await locker.ask("kinds")).split(" ").length);
  await link.close();
  await link.close();
});

test("the smallest MTU and the unknown one carry the same visit", async () => {
  for (const mtu of [23, 185]) {
    const { stay, comp } = await deposit();
    const { session, link } = await locker.session(device, { mtu });
    const outcome = await session.request({
      chain: [await locker.token("OPEN", device, { stay })],
      wish: OPEN,
    });
    assert.equal(outcome.result.code, Code.OK);
    await collect(session, outcome, comp);
    assert.equal(await session.sync(outcome), null);
    await link.close();
  }
});

test("a flipped bit in the token is refused, and so is another device key", async () => {
  const { stay, comp } = await deposit();
  const token = await locker.token("OPEN", device, { stay });
  const flipped = token.slice();
  flipped[flipped.length - 1] ^= 1;
  const { session, link } = await locker.session(device);
  assert.equal(
    (await session.request({ chain: [flipped], wish: OPEN })).result.code,
    Code.BAD_SIGNATURE,
  );
  const stranger = await locker.session(await makeDevice());
  const stolen = await stranger.session.request({ chain: [token], wish: OPEN });
  assert.equal(stolen.result.code, Code.HOLDER_PROOF_FAILED);
  const outcome = await session.request({ chain: [token], wish: OPEN });
  assert.equal(outcome.result.code, Code.OK);
  await collect(session, outcome, comp);
  assert.equal((await session.request({ chain: [token], wish: OPEN })).result.code, Code.USED);
  await Promise.all([link.close(), stranger.link.close()]);
});

test("a recorded request opens under no other hello", async () => {
  const { stay, comp } = await deposit();
  const token = await locker.token("OPEN", device, { stay });
  const transport = await locker.connect();
  const written = [];
  const recording = {
    ...transport,
    write: (part) => {
      written.push(part);
      return transport.write(part);
    },
  };
  const { session, link } = await locker.session(device, { transport: recording });
  const outcome = await session.request({ chain: [token], wish: OPEN });
  assert.equal(outcome.result.code, Code.OK);
  await collect(session, outcome, comp);
  const other = await locker.connect();
  for (const port of [transport, other]) {
    await port.read("hello");
    const replay = async () => {
      for (const part of written) await port.write(part);
    };
    await assert.rejects(replay, { name: "Refused", code: AttError.BAD_MESSAGE });
  }
  await assert.rejects(
    other.write(written[0]),
    (error) => error instanceof Refused && error.code === AttError.NO_HELLO,
  );
  await Promise.all([link.close(), other.close()]);
});

test("a delegation opens for the friend, and only for the friend", async () => {
  const { stay, comp } = await deposit();
  const friend = await makeDevice();
  const token = await locker.token("OPEN", device, { stay, depth: 1 });
  const terms = { exp: 1_760_000_000 + 600, holder: friend.publicKey, actions: Operation.OPEN };
  const chain = [token, await delegate(device.signer, token, terms)];
  const own = await locker.session(device);
  assert.equal(
    (await own.session.request({ chain, wish: OPEN })).result.code,
    Code.HOLDER_PROOF_FAILED,
  );
  const { session, link } = await locker.session(friend);
  const outcome = await session.request({ chain, wish: OPEN });
  assert.equal(outcome.result.code, Code.OK);
  await collect(session, outcome, comp);
  await Promise.all([link.close(), own.link.close()]);
});

test("statements that the locker lacks travel along, the rest with a sync", async () => {
  const statement = async (type, verb, word) => [
    type,
    bytes(await locker.ask("statement", verb, word)),
  ];
  const statements = [
    await statement(StatementType.ACKNOWLEDGEMENT, "acknowledgement", 2),
    await statement(StatementType.CONFIGURATION, "configuration", 1),
    await statement(StatementType.REVOCATIONS, "revocations", 1),
    await statement(StatementType.KEY_SET, "keys", 2),
  ];
  const { session, link } = await locker.session(device);
  const chain = [await locker.token("SYNC", device)];
  const outcome = await session.request({ chain, wish: { op: Operation.SYNC }, statements });
  assert.equal(outcome.result.code, Code.OK);
  assert.equal(await session.sync(outcome, { carry: 0 }), null);
  assert.deepEqual([outcome.left, outcome.envelopes], [[], []]);
  const again = await session.request({
    chain: [await locker.token("SYNC", device)],
    wish: { op: Operation.SYNC },
    statements,
  });
  const { keys, rev, cfg, acked } = again.hello;
  assert.deepEqual([keys, rev, cfg, acked, again.carried], [2, 1, 1, 2, 0]);
  await link.close();
});

test("an online phone brings the time to a locker that lost it", async () => {
  const { stay, comp } = await deposit();
  await locker.ask("restart");
  const courier = await locker.token("DEPOSIT", device, {
    stay: "0".repeat(16),
    exp: 1_760_003_600,
  });
  const { session, link } = await locker.session(device);
  const wish = { op: Operation.DEPOSIT };
  assert.equal(
    (await session.request({ chain: [courier], wish })).result.code,
    Code.CLOCK_UNTRUSTED,
  );
  const own = { chain: [await locker.token("OPEN", device, { stay })], wish: OPEN };
  const findTime = async (hello) => bytes(await locker.ask("statement", "time", hex(hello)));
  const outcome = await session.request({ ...own, findTime });
  assert.deepEqual([outcome.result.code, outcome.result.clockq], [Code.OK, 2]);
  await collect(session, outcome, comp);
  await link.close();
});

test("a phone that hears no notification reads the answers", async () => {
  const transport = { ...(await locker.connect()), onNotify: () => {} };
  const { session, link } = await locker.session(device, { transport, answerMs: 100 });
  const outcome = await session.request({
    chain: [await locker.token("SYNC", device)],
    wish: { op: Operation.SYNC },
  });
  assert.equal(outcome.result.code, Code.OK);
  assert.equal(await session.sync(outcome, { carry: 2500 }), null);
  assert.ok(outcome.envelopes.length > 1);
  assert.ok(outcome.envelopes.every(({ length }) => length <= READABLE_ENVELOPE));
  await link.close();
});

test("an impostor with other keys is neither heard nor believed", async () => {
  const { noisePublic, signPublic, lid } = locker.keys;
  const { publicKey } = await makeDevice();
  const other = new Uint8Array(
    await crypto.subtle.exportKey("raw", (await makeEphemeral()).publicKey),
  );
  const request = { chain: [await locker.token("SYNC", device)], wish: { op: Operation.SYNC } };
  const asked = async (keys) => {
    const { session, link } = await locker.session.call(
      { keys, connect: () => locker.connect() },
      device,
    );
    await session.request(request).finally(() => link.close());
  };
  await assert.rejects(asked({ lid, noisePublic: other, signPublic }), {
    name: "Refused",
    code: AttError.BAD_MESSAGE,
  });
  await assert.rejects(asked({ lid, noisePublic, signPublic: publicKey }), NotVouched);
  await assert.rejects(asked({ lid: lid.slice().reverse(), noisePublic, signPublic }), Malformed);
});

test("hostile messages are refused in clear or sealed, and the locker serves on", async () => {
  const transport = await locker.connect();
  await assert.rejects(transport.write(bytes("8000")), { code: AttError.NO_HELLO });
  await transport.read("hello");
  for (const fragment of ["81ff", "80"]) {
    await assert.rejects(transport.write(bytes(fragment)), { code: AttError.BAD_FRAME });
  }
  const { lid, noisePublic } = locker.keys;
  for (const payload of ["", "ff", "80", "8480f6f680", "9f"]) {
    const visit = await PhoneVisit.begin(await transport.read("hello"), {
      lid,
      noisePublic,
      ephemeral: await makeEphemeral(),
    });
    await transport.write(Uint8Array.of(0x80, ...(await visit.writePayload(bytes(payload)))));
    assert.equal(
      visit.readFirst((await transport.read("result")).slice(1)).report.code,
      Code.BAD_FORMAT,
    );
  }
  await transport.close();
});

test("a connection that ends is told at once, and does not end the opening", async () => {
  const { stay, comp } = await deposit();
  const transport = await locker.connect();
  const { session, link } = await locker.session(device, { transport });
  const outcome = await session.request({
    chain: [await locker.token("OPEN", device, { stay })],
    wish: OPEN,
  });
  await assert.rejects(session.watch(outcome, { timeoutMs: 200 }), Silent);
  const cutOff = assert.rejects(session.watch(outcome, { timeoutMs: PATIENCE_MS }), Lost);
  await link.close();
  await cutOff;
  await assert.rejects(session.reopen(outcome, comp), Lost);
  await locker.ask("shut", comp, "empty");
  assert.match((await locker.ask("kinds")).split(" ").slice(-1)[0], /COLLECTED/);
});
