// The readers of the schema and those of the pages take the same bytes and refuse the same.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";

import { utf8 } from "../../server/web/kit/slk1/bytes.js";
import { decode, encode } from "../../server/web/kit/slk1/codec.js";
import * as codes from "../../server/web/kit/slk1/codes.js";
import { Aad } from "../../server/web/kit/slk1/cose.js";
import { Malformed } from "../../server/web/kit/slk1/errors.js";
import { parseHello } from "../../server/web/kit/slk1/frames.js";
import * as gatt from "../../server/web/kit/slk1/gatt.js";
import { parseLockerText } from "../../server/web/kit/slk1/lockerid.js";
import { parseShownToken } from "../../server/web/kit/slk1/passes.js";
import { parseStatement, StatementType } from "../../server/web/kit/slk1/statements.js";
import { parseDelegation, parseToken } from "../../server/web/kit/slk1/tokens.js";
import { bytes, hex, loadFrozen, mutate, seeded } from "./frozen.mjs";
import { ROOT, PYTHON } from "./locker.mjs";
import { parseRequest } from "./requests.mjs";

const ROUNDS = 400;
const random = seeded(2026);
const given = await loadFrozen("slk1.json");
const own = await loadFrozen("restante.json");
const text = (read) => (raw) => read(new TextDecoder().decode(raw));
const plains = given.cases.filter(({ plain }) => plain).map(({ plain }) => bytes(plain));
const types = ["revocations", "time", "key_set", "configuration", "acknowledgement"];

const kinds = {
  value: [decode, [...given.codec.same, ...given.codec.refuse].map(bytes)],
  token: [parseToken, [given.token, own.tokens.widest, own.tokens.narrowest].map(bytes)],
  delegation: [parseDelegation, [bytes(given.delegation.bytes)]],
  hello: [parseHello, [bytes(given.visit.hello.slice(64))]],
  request: [parseRequest, plains],
  code: [text(parseShownToken), [utf8(given.qr.text)]],
  locker: [text(parseLockerText), [utf8(given.lid_text)]],
};
for (const [at, name] of types.entries()) {
  kinds[name] = [(raw) => parseStatement(at + 1, raw), [bytes(own.statements[name])]];
}

// A field of a good value replaced by another value: form that a flipped bit seldom reaches.
function reshape(raw) {
  let value;
  try {
    value = decode(raw);
  } catch {
    return mutate(random, raw);
  }
  return encode(bend(value, 4));
}

function bend(value, depth) {
  const swap = () => {
    return random.pick([
      0,
      -1,
      255,
      256,
      2 ** 53 - 1,
      2n ** 53n,
      null,
      true,
      "",
      "A",
      [],
      new Map(),
      random.take(8),
    ]);
  };
  if (depth === 0 || random.below(6) === 0) return swap();
  if (Array.isArray(value) && value.length > 0) {
    const at = random.below(value.length);
    return value.map((item, index) => (index === at ? bend(item, depth - 1) : item));
  }
  if (value instanceof Map && value.size > 0) {
    const key = random.pick([...value.keys()]);
    return new Map([...value, [key, bend(value.get(key), depth - 1)]]);
  }
  if (value instanceof Uint8Array && value.length > 9) return reshape(value);
  return swap();
}

function* examples() {
  for (const [kind, [read, goods]] of Object.entries(kinds)) {
    const isText = kind === "code" || kind === "locker";
    for (const good of goods) yield { kind, read, raw: good };
    for (let round = 0; round < ROUNDS; round += 1) {
      const good = random.pick(goods);
      const raw = isText || round % 2 ? mutate(random, good) : reshape(good);
      yield { kind, read, raw: isText ? raw.map((byte) => byte & 0x7f) : raw };
    }
  }
}

function takes(read, raw) {
  try {
    read(raw);
    return "1";
  } catch (error) {
    assert.ok(error instanceof Malformed, error);
    return "0";
  }
}

test("both readers take and refuse the same bytes", () => {
  const shown = [...examples()];
  const input = shown.map(({ kind, raw }) => `${kind} ${hex(raw)}`).join("\n");
  const options = { cwd: ROOT, input, encoding: "utf8", maxBuffer: 1 << 24 };
  const theirs = execFileSync(PYTHON, ["-m", "tests.web.judges"], options).split("\n");
  assert.equal(theirs.length, shown.length);
  for (const [at, { kind, read, raw }] of shown.entries()) {
    assert.equal(takes(read, raw), theirs[at], `${kind} ${hex(raw)}`);
  }
  const taken = theirs.filter((answer) => answer === "1").length;
  assert.ok(taken > shown.length / 20 && taken < shown.length, `${taken} of ${shown.length}`);
});

test("words and numbers are the same in both languages", () => {
  const options = { cwd: ROOT, encoding: "utf8" };
  const theirs = JSON.parse(execFileSync(PYTHON, ["-m", "tests.web.judges", "--names"], options));
  const { Gatt, ...enums } = theirs;
  const ours = { ...codes, StatementType, AttError: gatt.AttError, Aad };
  for (const [kind, names] of Object.entries(enums)) {
    assert.deepEqual({ ...ours[kind] }, names, kind);
    if (kind !== "Code" && kind !== "DoorEvent") continue;
    for (const [name, code] of Object.entries(names)) assert.equal(codes.findCodeName(code), name);
  }
  for (const [name, value] of Object.entries(Gatt)) assert.equal(gatt[name], value, name);
  assert.equal(codes.findCodeName(255), null);
});
