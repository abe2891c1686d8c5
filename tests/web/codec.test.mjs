import assert from "node:assert/strict";
import { test } from "node:test";

import { decode, encode } from "../../server/web/kit/slk1/codec.js";
import { Malformed } from "../../server/web/kit/slk1/errors.js";
import { bytes, hex, loadFrozen, mutate, seeded } from "./frozen.mjs";

const { codec } = await loadFrozen("slk1.json");

test("codec refuses what the encoder cannot have written", () => {
  for (const refused of codec.refuse)
    assert.throws(() => decode(bytes(refused)), Malformed, refused);
});

test("codec writes again what it read", () => {
  for (const same of codec.same) assert.equal(hex(encode(decode(bytes(same)))), same);
});

test("integers are exact on either side of 2^53", () => {
  const edges = [0, 23, 24, 255, 256, 65535, 65536, 2 ** 32, Number.MAX_SAFE_INTEGER, -1, -24, -25];
  for (const edge of edges) assert.strictEqual(decode(encode(edge)), edge);
  for (const edge of [2n ** 53n, 2n ** 64n - 1n, -(2n ** 53n), -(2n ** 64n)]) {
    assert.strictEqual(decode(encode(edge)), edge);
  }
  assert.equal(hex(encode(5n)), hex(encode(5)));
});

test("what the subset cannot express is refused", () => {
  const foreign = [
    1.5,
    NaN,
    2 ** 53,
    2n ** 64n,
    -(2n ** 64n) - 1n,
    undefined,
    {},
    "\ud800",
    new Map([["a", 1]]),
    new Map([
      [1, 1],
      [1n, 2],
    ]),
    new Map([[true, 1]]),
    [undefined],
  ];
  for (const value of foreign) assert.throws(() => encode(value), Malformed);
});

test("eight containers inside one another are read, nine are not", () => {
  const nested = (depth) => Uint8Array.from([...Array(depth).fill(0x81), 0]);
  assert.equal(hex(encode(decode(nested(8)))), hex(nested(8)));
  assert.throws(() => decode(nested(9)), Malformed);
  assert.throws(() => decode(nested(100_000)), Malformed);
});

test("a huge count costs nothing", () => {
  for (const head of ["9a7fffffff", "ba7fffffff", "5b7fffffffffffffff", "7bffffffffffffffff"]) {
    assert.throws(() => decode(bytes(head)), Malformed);
  }
});

function makeValue(random, depth) {
  const kinds = depth === 0 ? 6 : 8;
  switch (random.below(kinds)) {
    case 0:
      return random.below(2 ** 30);
    case 1:
      return -1 - random.below(2 ** 30);
    case 2:
      return random.pick([true, false, null]);
    case 3:
      return random.take(random.below(40));
    case 4:
      return random.pick(["", "a", "größe", "\u{1f4e6}", "\ufeffbom", "x".repeat(300)]);
    case 5:
      return random.pick([2n ** 60n, -(2n ** 63n), 2 ** 50]);
    case 6:
      return Array.from({ length: random.below(5) }, () => makeValue(random, depth - 1));
    default:
      return new Map(
        Array.from({ length: random.below(5) }, () => [
          random.below(400) - 200,
          makeValue(random, depth - 1),
        ]),
      );
  }
}

test("random values come back, and changed bytes are refused or other values", () => {
  const random = seeded(45);
  for (let round = 0; round < 1500; round += 1) {
    const raw = encode(makeValue(random, 4));
    assert.equal(hex(encode(decode(raw))), hex(raw));
    const changed = mutate(random, raw);
    let value;
    try {
      value = decode(changed);
    } catch (error) {
      assert.ok(error instanceof Malformed, error);
      continue;
    }
    assert.equal(hex(encode(value)), hex(changed));
  }
});
