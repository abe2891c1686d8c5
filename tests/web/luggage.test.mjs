// What a phone brings: all that is news, as much at once as fits, and never for ever.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { encode } from "../../server/web/kit/slk1/codec.js";
import { Code, Operation } from "../../server/web/kit/slk1/codes.js";
import { Aad, signObject } from "../../server/web/kit/slk1/cose.js";
import { Silent } from "../../server/web/kit/slk1/errors.js";
import { newerThan, partForRequest, partForSync } from "../../server/web/kit/slk1/luggage.js";
import { CARRY_BYTES, MAX_REQUESTS, READABLE_ENVELOPE } from "../../server/web/kit/slk1/session.js";
import { StatementType } from "../../server/web/kit/slk1/statements.js";
import { bytes } from "./frozen.mjs";
import { Locker, makeDevice } from "./locker.mjs";

const { KEY_SET, REVOCATIONS, CONFIGURATION, ACKNOWLEDGEMENT, TIME } = StatementType;

let locker;
let device;
before(async () => {
  locker = await Locker.start();
  device = await makeDevice();
});
after(() => locker.stop());

const carry = async (type, ...words) => [type, bytes(await locker.ask("statement", ...words))];
const sync = async (changes) => ({
  chain: [await locker.token("SYNC", device, changes)],
  wish: { op: Operation.SYNC },
});

// A configuration that is news and well formed, so long that no message takes it.
async function makeEndless() {
  const values = new Map([[16, new Uint8Array(1350)]]);
  const payload = encode([locker.keys.lid, 99, 0, values]);
  return [
    CONFIGURATION,
    await signObject(device.signer, Aad.CONFIGURATION, payload, bytes("0001")),
  ];
}

// Counts hellos, and lets a message for another phone be heard before each that is one fragment.
async function makeNoisy() {
  const transport = await locker.connect();
  const noisy = {
    ...transport,
    hellos: 0,
    read: (name) => {
      if (name === "hello") noisy.hellos += 1;
      return transport.read(name);
    },
    onNotify: (listener) =>
      transport.onNotify((fragment) => {
        if (fragment[0] === 0x80)
          listener(Uint8Array.of(0x80, ...crypto.getRandomValues(new Uint8Array(120))));
        listener(fragment);
      }),
  };
  return noisy;
}

test("what the locker has already stays at home, keys travel first", async () => {
  const statements = [
    await carry(ACKNOWLEDGEMENT, "acknowledgement", 3),
    await carry(CONFIGURATION, "configuration", 5),
    await carry(REVOCATIONS, "revocations", 5),
    await carry(KEY_SET, "keys", 5),
    await carry(TIME, "time", "00"),
  ];
  const types = (hello) => newerThan(hello, statements).map(([type]) => type);
  assert.deepEqual(types({ keys: 4, rev: 4, cfg: 4, acked: 2 }), [
    KEY_SET,
    REVOCATIONS,
    CONFIGURATION,
    ACKNOWLEDGEMENT,
  ]);
  assert.deepEqual(types({ keys: 5, rev: 4, cfg: 5, acked: 2 }), [REVOCATIONS, ACKNOWLEDGEMENT]);
  assert.deepEqual(types({ keys: 5, rev: 5, cfg: 5, acked: 3 }), []);
});

test("a request has room for four statements, a time among them in any case", () => {
  const chain = [new Uint8Array(181)];
  const news = Array.from({ length: 5 }, (_, at) => [REVOCATIONS, Uint8Array.of(at)]);
  const sizes = (time) => {
    const { brought, left } = partForRequest(chain, news, time);
    return [brought.length, left.length, brought.at(-1)[0]];
  };
  assert.deepEqual(sizes(null), [4, 1, REVOCATIONS]);
  assert.deepEqual(sizes(new Uint8Array(120)), [4, 2, TIME]);
  const exact = 1400 - 126 - 184 - 5;
  assert.deepEqual([READABLE_ENVELOPE, CARRY_BYTES], [512 - 1 - 16 - 14, 8192]);
  for (const [size, fits] of [
    [exact, 1],
    [exact + 1, 0],
  ]) {
    const { brought } = partForRequest(chain, [[KEY_SET, new Uint8Array(size)]], null);
    assert.equal(brought.length, fits);
  }
  assert.deepEqual(partForSync([[KEY_SET, new Uint8Array(1372)]]), { brought: [], left: [] });
  assert.equal(partForSync([[KEY_SET, new Uint8Array(1371)]]).brought.length, 1);
});

test("a refusal while a list still waits is asked again with the list", async () => {
  const statements = [
    await carry(REVOCATIONS, "revocations", 7, 40),
    await carry(KEY_SET, "keys", 7, 4),
  ];
  const noisy = await makeNoisy();
  const { session, link } = await locker.session(device, { transport: noisy });
  const outcome = await session.request({ ...(await sync({ minrev: 7 })), statements });
  assert.deepEqual([outcome.result.code, outcome.left, noisy.hellos], [Code.OK, [], 2]);
  assert.equal(outcome.carried, statements[0][1].length + statements[1][1].length);
  assert.equal(await session.sync(outcome), null);
  await link.close();
});

test("an acceptance while a list still waits brings it with the sync", async () => {
  const statements = [
    await carry(REVOCATIONS, "revocations", 8, 40),
    await carry(KEY_SET, "keys", 8, 4),
  ];
  const { session, link } = await locker.session(device, { transport: await makeNoisy() });
  const outcome = await session.request({ ...(await sync()), statements });
  assert.deepEqual([outcome.result.code, outcome.left.length], [Code.OK, 1]);
  assert.equal(await session.sync(outcome), null);
  assert.deepEqual([outcome.left, outcome.pending], [[], 0]);
  const again = await session.request({ ...(await sync()), statements });
  assert.deepEqual([again.hello.keys, again.hello.rev], [8, 8]);
  await link.close();
});

test("what no message takes is asked for three times, and left behind", async () => {
  const noisy = await makeNoisy();
  const { session, link } = await locker.session(device, { transport: noisy });
  const statements = [await makeEndless()];
  const refused = await session.request({ ...(await sync({ minrev: 99 })), statements });
  assert.deepEqual([refused.result.code, noisy.hellos], [Code.REVOCATIONS_NEEDED, MAX_REQUESTS]);
  const taken = await session.request({ ...(await sync()), statements });
  assert.equal(await session.sync(taken), null);
  assert.equal(taken.pending, 0);
  await link.close();
});

test("a statement that the locker refuses ends the sync with its code", async () => {
  const { session, link } = await locker.session(device);
  const outcome = await session.request(await sync());
  const foreign = encode([locker.keys.lid, 50, 0, new Map()]);
  const raw = await signObject(device.signer, Aad.CONFIGURATION, foreign, bytes("0001"));
  outcome.left = [[CONFIGURATION, raw]];
  assert.equal((await session.sync(outcome)).code, Code.BAD_SIGNATURE);
  await link.close();
});

test("a phone that hears only others ends in silence", async () => {
  const transport = await locker.connect();
  const strange = () => Uint8Array.of(0x80, ...crypto.getRandomValues(new Uint8Array(50)));
  const deaf = {
    ...transport,
    read: async (name) => (name === "hello" ? transport.read(name) : strange()),
    onNotify: (listener) => transport.onNotify(() => listener(strange())),
  };
  const { session, link } = await locker.session(device, { transport: deaf, answerMs: 150 });
  await assert.rejects(session.request(await sync()), Silent);
  await link.close();
});
