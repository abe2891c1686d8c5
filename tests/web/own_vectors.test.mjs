// What of restante.json and noise_kn.json concerns a phone.
import assert from "node:assert/strict";
import { test } from "node:test";

import { findFault, parseChain } from "../../server/web/kit/slk1/chains.js";
import { parseHello } from "../../server/web/kit/slk1/frames.js";
import { Malformed } from "../../server/web/kit/slk1/errors.js";
import { entryHead, verifyHead } from "../../server/web/kit/slk1/journal.js";
import { Responder } from "../../server/web/kit/slk1/noise.js";
import { isProvedAt, parseShownToken, showToken } from "../../server/web/kit/slk1/passes.js";
import { parseStatement, StatementType } from "../../server/web/kit/slk1/statements.js";
import { parseDelegation, parseToken } from "../../server/web/kit/slk1/tokens.js";
import { PhoneVisit } from "../../server/web/kit/slk1/visit.js";
import { agreeingPair, bytes, hex, loadFrozen, signingPair } from "./frozen.mjs";
import { parseRequest } from "./requests.mjs";

const { keys, tokens, chain, statements, visit, journal, codes, malformed } =
  await loadFrozen("restante.json");
const lid = bytes(keys.lid);
const publicKey = bytes(keys.public.locker);

const ofType = (name) => (raw) => parseStatement(StatementType[name.toUpperCase()], raw);
const parsers = {
  token: parseToken,
  delegation: parseDelegation,
  hello: parseHello,
  request: parseRequest,
  ...Object.fromEntries(
    Object.keys(StatementType).map((name) => [name.toLowerCase(), ofType(name)]),
  ),
};

// What only a locker or a server reads.
const notOfAPhone = ["phone_frame", "entry", "envelope"];

test("malformed example is refused", () => {
  assert.deepEqual(
    Object.keys(malformed)
      .filter((kind) => !(kind in parsers))
      .sort(),
    notOfAPhone.sort(),
  );
  for (const [kind, read] of Object.entries(parsers)) {
    for (const [name, raw] of Object.entries(malformed[kind])) {
      assert.throws(() => read(bytes(raw)), Malformed, `${kind}: ${name}`);
    }
  }
});

test("widest and narrowest token are read", () => {
  const { claims } = parseToken(bytes(tokens.widest));
  assert.deepEqual(
    [claims.comps.length, claims.exp, claims.minrev],
    [64, 2 ** 53 - 1, 2 ** 53 - 1],
  );
  const { stay, comps } = parseToken(bytes(tokens.narrowest)).claims;
  assert.deepEqual([stay.length, comps], [0, []]);
});

test("chain of three holds", async () => {
  const whole = parseChain(chain.map(bytes));
  assert.equal(await findFault(whole), null);
  assert.equal(hex(whole.holder), keys.public.neighbour);
  assert.ok(!whole.isExtendable);
});

test("every statement is read as its type", () => {
  const types = { revocations: 1, time: 2, key_set: 3, configuration: 4, acknowledgement: 5 };
  const named = (name) =>
    types[name] ?? (/time/.test(name) ? 2 : /keys/.test(name) ? 3 : /settings/.test(name) ? 4 : 1);
  for (const [name, raw] of Object.entries(statements)) parseStatement(named(name), bytes(raw));
});

test("visit is made and read by a phone to its last frame", async () => {
  const ephemeral = await agreeingPair(visit.phone_ephemeral);
  const phone = await PhoneVisit.begin(bytes(visit.hello), {
    lid,
    noisePublic: bytes(keys.locker_x25519),
    ephemeral,
  });
  const asked = parseRequest(bytes(visit.message2_plain));
  const neighbour = await signingPair(keys.seeds.neighbour);
  assert.equal(hex(await phone.writeRequest(asked, neighbour.privateKey)), visit.message2);
  assert.equal(hex(phone.handshakeHash), visit.h);
  assert.equal(phone.readFirst(bytes(visit.message3)).report.comp, 255);
  const read = Object.values(visit.from_locker).map((frame) => phone.readFrame(bytes(frame)));
  assert.deepEqual(
    read.slice(0, -1).map(({ code }) => code),
    [100, 101, 102, 103, 104, 105, 13],
  );
  assert.deepEqual(read.at(-1), { kind: "envelope", envelope: null, pending: 2 ** 53 - 1 });
  for (const report of read.slice(0, -1))
    assert.ok(await verifyHead(publicKey, { lid, ...report }));
  const written = [
    phone.writeSync([], 0),
    phone.writeSync([[5, bytes(statements.acknowledgement)]], 2 ** 53 - 1),
    phone.writeReopen(0),
  ];
  assert.deepEqual(written.map(hex), Object.values(visit.from_phone));
});

test("nothing but a result or the event of an opened door answers a request", async () => {
  const ephemeral = await agreeingPair(visit.phone_ephemeral);
  const noisePublic = bytes(keys.locker_x25519);
  const first = async (frame) => {
    const phone = await PhoneVisit.begin(bytes(visit.hello), { lid, noisePublic, ephemeral });
    await phone.writePayload(bytes(visit.message2_plain));
    return phone.readFirst(bytes(frame));
  };
  assert.equal((await first(visit.message3)).isEvent, false);
  const { isEvent, report } = await first(visit.from_locker.DOOR_OPENED);
  assert.deepEqual([isEvent, report.code, report.comp], [true, 100, 255]);
  for (const name of ["reopening refused", "nothing to carry"]) {
    await assert.rejects(first(visit.from_locker[name]), Malformed);
  }
});

test("journal of every kind stands under one signature", async () => {
  const last = bytes(journal.entries.at(-1));
  assert.equal(hex(await entryHead(last)), journal.head);
  const line = {
    lid,
    seq: journal.entries.length,
    head: bytes(journal.head),
    signature: bytes(journal.signature),
  };
  assert.ok(await verifyHead(publicKey, line));
});

test("codes reach the last window", async () => {
  const device = await signingPair(keys.seeds.device);
  for (const [step, text] of Object.entries(codes)) {
    const shown = parseShownToken(text);
    assert.ok(await isProvedAt(shown, Number(step) * 60));
    assert.equal(await showToken(shown.token.raw, device.privateKey, Number(step) * 60), text);
  }
});

test("handshake and transport are those of an independent implementation", async () => {
  const frozen = await loadFrozen("noise_kn.json");
  const noise = new Responder({
    remoteStatic: bytes(frozen.resp_remote_static),
    ephemeral: await agreeingPair(frozen.resp_ephemeral),
  });
  const [first, second, ...rest] = frozen.messages;
  assert.equal(
    hex(await noise.read(bytes(frozen.resp_prologue), bytes(first.ciphertext))),
    first.payload,
  );
  const { message, transport } = await noise.write(bytes(second.payload));
  assert.equal(hex(message), second.ciphertext);
  rest.forEach(({ payload, ciphertext }, at) => {
    if (at % 2) assert.equal(hex(transport.sending.seal(bytes(payload))), ciphertext);
    else assert.equal(hex(transport.receiving.open(bytes(ciphertext))), payload);
  });
  await assert.rejects(noise.write(bytes("")), TypeError);
  await assert.rejects(noise.read(bytes(""), bytes(first.ciphertext)), TypeError);
});
