// Every example of slk1.json that concerns a phone.
import assert from "node:assert/strict";
import { test } from "node:test";

import { join, utf8 } from "../../server/web/kit/slk1/bytes.js";
import { encode } from "../../server/web/kit/slk1/codec.js";
import { Aad, isSignedBy } from "../../server/web/kit/slk1/cose.js";
import { sha256 } from "../../server/web/kit/slk1/digest.js";
import { publicBytes, verify } from "../../server/web/kit/slk1/ed25519.js";
import { Malformed } from "../../server/web/kit/slk1/errors.js";
import { AttError, fragmentSize, Reassembler, split } from "../../server/web/kit/slk1/gatt.js";
import { entryHead, verifyHead } from "../../server/web/kit/slk1/journal.js";
import { lockerText, parseLockerText } from "../../server/web/kit/slk1/lockerid.js";
import { isProvedAt, parseShownToken, showToken } from "../../server/web/kit/slk1/passes.js";
import { parseStatement, statementAad, timeNonce } from "../../server/web/kit/slk1/statements.js";
import {
  delegate,
  parentHash,
  parseDelegation,
  parseToken,
} from "../../server/web/kit/slk1/tokens.js";
import { PhoneVisit } from "../../server/web/kit/slk1/visit.js";
import { agreeingPair, bytes, hex, loadFrozen, signingPair } from "./frozen.mjs";
import { parseRequest } from "./requests.mjs";

const given = await loadFrozen("slk1.json");
const { keys, visit, journal } = given;
const lid = bytes(keys.lid);
const device = await signingPair(keys.device_seed);
const issuer = await signingPair(keys.issuer_seed);
const root = await signingPair(keys.root1_seed);
const ephemeral = await agreeingPair(keys.phone_ephemeral);
const noisePublic = bytes(keys.locker_x25519_public);
const begin = (hello) => PhoneVisit.begin(bytes(hello), { lid, noisePublic, ephemeral });

// The visit after message 3, each byte of it compared on the way.
async function acceptedVisit() {
  const phone = await begin(visit.hello);
  const { chain, wish, statements } = parseRequest(bytes(visit.message2_plain));
  const message = await phone.writeRequest({ chain, wish, statements }, device.privateKey);
  assert.equal(hex(message), visit.message2);
  return { phone, result: phone.readFirst(bytes(visit.message3)).report };
}

test("locker id has the frozen text, and no other text names it", () => {
  assert.equal(lockerText(lid), given.lid_text);
  assert.equal(hex(parseLockerText(given.lid_text)), keys.lid);
  for (const wrong of [
    "",
    `${given.lid_text}=`,
    given.lid_text.slice(1),
    "AAAAAAAAAAB",
    "AAAAAAAA/AA",
    null,
  ]) {
    assert.throws(() => parseLockerText(wrong), Malformed);
  }
});

test("public keys grow from the seeds", async () => {
  assert.equal(hex(await publicBytes(device.publicKey)), keys.device_public);
  assert.equal(hex(await publicBytes(root.publicKey)), keys.root1_public);
});

test("token is read and its issuer found", async () => {
  const token = parseToken(bytes(given.token));
  assert.equal(hex(token.signed.payload), given.token_payload);
  assert.equal(hex(token.claims.holder), keys.device_public);
  assert.equal(token.claims.aud, given.lid_text);
  const issued = await publicBytes(issuer.publicKey);
  assert.ok(await isSignedBy(token.signed, issued, Aad.TOKEN));
  assert.ok(!(await isSignedBy(token.signed, issued, Aad.DELEGATION)));
  assert.ok(!(await isSignedBy(token.signed, bytes(keys.device_public), Aad.TOKEN)));
});

test("delegation is given byte for byte", async () => {
  const frozen = given.delegation;
  const parent = bytes(frozen.parent);
  const { exp, holder, actions, parent: named, signed } = parseDelegation(bytes(frozen.bytes));
  assert.equal(hex(holder), frozen.new_holder);
  assert.equal(hex(named), hex(await parentHash(parent)));
  assert.ok(await isSignedBy(signed, bytes(keys.device_public), Aad.DELEGATION));
  const made = await delegate(device.privateKey, parent, { exp, holder, actions });
  assert.equal(hex(made), frozen.bytes);
});

test("statement is read as its type and as no other", async () => {
  const types = ["rev", "tim", "key", "cfg", "ack"];
  for (const [at, name] of types.entries()) {
    const raw = bytes(given.statements[name]);
    const statement = parseStatement(at + 1, raw);
    const signer = name === "key" ? root : issuer;
    const publicKey = await publicBytes(signer.publicKey);
    assert.ok(await isSignedBy(statement.signed, publicKey, statementAad(at + 1)));
    assert.ok(!(await isSignedBy(statement.signed, publicKey, statementAad(((at + 1) % 5) + 1))));
    assert.equal(hex(statement.lid), keys.lid);
  }
  assert.throws(() => parseStatement(6, bytes(given.statements.rev)), Malformed);
});

test("visit runs to the result byte for byte", async () => {
  const { phone, result } = await acceptedVisit();
  assert.equal(hex(phone.handshakeHash), visit.h);
  assert.equal(hex(await timeNonce(bytes(visit.hello))), visit.tnonce);
  assert.deepEqual([result.code, result.comp], [0, 3]);
  assert.ok(await verifyHead(bytes(keys.locker_ed25519_public), { lid, ...result }));
  assert.ok(
    !(await verifyHead(bytes(keys.locker_ed25519_public), { lid, ...result, seq: result.seq + 1 })),
  );
});

test("door events, reopening and syncs run byte for byte", async () => {
  const { phone } = await acceptedVisit();
  for (const event of ["door_opened", "door_closed"]) {
    const report = phone.readFrame(bytes(visit[event].frame));
    const fields = [
      1,
      report.code,
      report.comp,
      report.seq,
      report.head,
      report.signature,
      report.now,
      report.clockq,
    ];
    assert.equal(hex(encode(fields)), visit[event].plain);
  }
  assert.equal(hex(phone.writeReopen(3)), visit.reopen.frame);
  const answer = phone.readFrame(bytes(visit.reopen.answer));
  assert.deepEqual([answer.code, answer.comp], [0, 3]);
  const syncs = [
    ["sync", [4, bytes(given.statements.cfg)], 1300],
    ["ack", [5, bytes(given.statements.ack)], 0],
  ];
  for (const [name, brought, maxBytes] of syncs) {
    assert.equal(hex(phone.writeSync([brought], maxBytes)), visit[name].frame, name);
    const { envelope, pending } = phone.readFrame(bytes(visit[name].answer));
    assert.equal(hex(encode([2, envelope, pending])), visit[name].answer_plain);
  }
});

test("a frame of another session, or seen before, does not open", async () => {
  const { phone } = await acceptedVisit();
  const frame = bytes(visit.door_opened.frame);
  phone.readFrame(frame);
  assert.throws(() => phone.readFrame(frame), Malformed);
  assert.throws(() => phone.readFrame(bytes(visit.message3)), Malformed);
  assert.equal(phone.readFrame(bytes(visit.door_closed.frame)).code, 101);
});

test("lost notifications are bridged", async () => {
  const { phone } = await acceptedVisit();
  assert.equal(phone.readFrame(bytes(visit.ack.answer)).pending, 0);
  assert.throws(() => phone.readFrame(bytes(visit.door_opened.frame)), Malformed);
});

test("fragments are cut and put together byte for byte", () => {
  for (const [name, sizes] of Object.entries(given.fragments)) {
    for (const [mtu, frozen] of Object.entries(sizes)) {
      const size = fragmentSize(mtu === "unknown" ? null : Number(mtu));
      assert.deepEqual(split(bytes(visit[name]), size).map(hex), frozen);
      const into = new Reassembler();
      assert.equal(hex(frozen.map((part) => into.take(bytes(part), 0)).at(-1)), visit[name]);
    }
  }
});

test("journal is one chain of the frozen heads, vouched for by the receipt", async () => {
  for (const [at, entry] of journal.entries.entries()) {
    assert.equal(hex(await entryHead(bytes(entry))), journal.heads[at]);
  }
  const { seq, head, sig } = journal.receipt;
  const line = { lid, seq, head: bytes(head), signature: bytes(sig) };
  assert.ok(await verifyHead(bytes(keys.locker_ed25519_public), line));
  assert.ok(
    !(await verifyHead(bytes(keys.locker_ed25519_public), { ...line, lid: bytes("00".repeat(8)) })),
  );
});

test("QR code is shown and read byte for byte", async () => {
  const { now, text } = given.qr;
  assert.equal(await showToken(bytes(given.token), device.privateKey, now), text);
  const shown = parseShownToken(text);
  assert.equal(hex(shown.token.raw), given.token);
  for (const [late, holds] of [
    [0, true],
    [60, true],
    [-60, true],
    [180, false],
    [-180, false],
  ]) {
    assert.equal(await isProvedAt(shown, now + late), holds);
  }
});

const sealed = given.cases.filter(({ expect }) => "code" in expect);
const inClear = given.cases.filter(({ expect }) => "att" in expect);

test("each case is sealed byte for byte, and only bad form is refused by the parsers", async () => {
  assert.equal(sealed.length + inClear.length, given.cases.length);
  for (const { name, hello, plain, message, h, expect } of sealed) {
    const phone = await begin(hello);
    assert.equal(hex(await phone.writePayload(bytes(plain))), message, name);
    assert.equal(hex(phone.handshakeHash), h, name);
    if (expect.code === 1) assert.throws(() => parseRequest(bytes(plain)), Malformed, name);
    else assert.equal(parseRequest(bytes(plain)).pop.length, 64, name);
  }
});

test("requests of the device are proved byte for byte", async () => {
  let proved = 0;
  for (const { name, hello, plain, message, expect } of sealed) {
    if (expect.code !== 0) continue;
    const { chain, wish, statements, token, rest } = parseRequest(bytes(plain));
    if (hex(rest.at(-1)?.holder ?? token.claims.holder) !== keys.device_public) continue;
    const phone = await begin(hello);
    assert.equal(
      hex(await phone.writeRequest({ chain, wish, statements }, device.privateKey)),
      message,
      name,
    );
    proved += 1;
  }
  assert.ok(proved > 15, String(proved));
});

test("whoever holds a token proves it, in the cases where the proof is right", async () => {
  const wrong = sealed.filter(({ expect }) => expect.code === 9);
  assert.ok(wrong.length > 2);
  for (const { name, h, plain } of wrong) {
    const { chain, wish, token, rest, pop } = parseRequest(bytes(plain));
    const req = encode([wish.op, wish.comp, wish.code]);
    const signed = join(utf8("SLK1-pop\0"), bytes(h), await sha256(...chain), req);
    const holder = rest.at(-1)?.holder ?? token.claims.holder;
    assert.ok(!(await verify(holder, signed, pop)), name);
  }
});

test("no fragments are cut of what is too large", () => {
  const large = inClear.filter(({ expect }) => expect.att === AttError.TOO_LARGE);
  assert.equal(large.length, 1);
  for (const { message } of large) assert.throws(() => split(bytes(message), 180), RangeError);
});

test("a hello of low order, of another locker or too short begins no visit", async () => {
  for (const { message } of inClear.filter(({ name }) => name.startsWith("low-order"))) {
    await assert.rejects(begin(message.slice(0, 64) + visit.hello.slice(64)), Malformed);
  }
  const other = { lid: bytes("0011223344556677"), noisePublic, ephemeral };
  await assert.rejects(PhoneVisit.begin(bytes(visit.hello), other), Malformed);
  await assert.rejects(begin(visit.hello.slice(0, 62)), Malformed);
  await assert.rejects(begin(`${visit.hello}00`), Malformed);
});
