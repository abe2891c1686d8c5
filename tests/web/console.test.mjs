// What the console says and offers: words in every language, hours as typed, buttons by role.
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";

import { projectionOf } from "../../server/web/console/map.js";
import { hubsOf, isEverywhere, offersAt } from "../../server/web/console/rights.js";
import { Unreadable, readSpans, writeSpans } from "../../server/web/console/spans.js";
import languages from "../../server/web/console/words.js";
import shared from "../../server/web/kit/words/en.js";

const words = {};
for (const [language, load] of Object.entries(languages)) words[language] = (await load()).default;

const CONSOLE = new URL("../../server/web/console/", import.meta.url);
const SCHEMA = readFileSync(new URL("../../schema/api.graphql", import.meta.url), "utf8");

/** Values of the API that the console puts into words, by the family of its words. */
const FAMILIES = {
  "door.state": "DisplayStatus",
  zone: "ClimateZone",
  side: "Side",
  locker: "LockerState",
  severity: "Severity",
  incident: "IncidentKind",
  step: "NextStep",
  place: "LocationKind",
  proof: "IdentityProof",
  why: "CounterReason",
  hold: "HoldOutcome",
  found: "InspectionFinding",
  clock: "TimeQuality",
  statement: "StatementType",
  entry: "JournalKind",
  state: "ParcelState",
  pause: "PauseCause",
  party: "Party",
  dispute: "DisputeReason",
};

function membersOf(name) {
  const body = new RegExp(`^enum ${name} \\{([^}]*)\\}`, "m").exec(SCHEMA)[1];
  return body.replace(/"""[^]*?"""|"[^"\n]*"/g, "").match(/\b[A-Z_]+\b/g);
}

test("every language says the same things, with the same places to fill in", () => {
  const places = (sentence) => (sentence.match(/\{\w+\}/g) ?? []).sort();
  for (const [language, spoken] of Object.entries(words)) {
    assert.deepEqual(Object.keys(spoken), Object.keys(words.en), language);
    for (const [key, sentence] of Object.entries(spoken))
      assert.deepEqual(places(sentence), places(words.en[key]), `${language} ${key}`);
  }
});

test("every value of the API that is shown has words", () => {
  for (const [family, name] of Object.entries(FAMILIES))
    for (const member of membersOf(name)) {
      const key = `${family}.${member}`;
      assert.ok(key in words.en || key in shared, key);
    }
});

test("every sentence that the code says is there", () => {
  const files = readdirSync(CONSOLE, { recursive: true }).filter((path) => path.endsWith(".js"));
  const said = files.flatMap((path) => [
    ...readFileSync(new URL(path, CONSOLE), "utf8").matchAll(/say\(\s*"([^"]+)"/g),
  ]);
  assert.ok(said.length > 60);
  for (const [, key] of said) assert.ok(key in words.en || key in shared, key);
});

test("hours are read as they are written", () => {
  const week = readSpans(2, "9:00-12:30, 14:00 – 24:00");
  assert.deepEqual(week[0], { weekday: 2, opensMinute: 540, closesMinute: 750 });
  assert.equal(writeSpans(week, 2), "09:00-12:30, 14:00-24:00");
  assert.equal(writeSpans(week, 3), "");
  assert.deepEqual(readSpans(0, " "), []);
});

for (const text of [
  "9 to 5",
  "12:00-09:00",
  "09:60-10:00",
  "23:00-24:01",
  "09:00-10:00; 11:00-12:00",
])
  test(`"${text}" is no time span`, () => assert.throws(() => readSpans(0, text), Unreadable));

test("buttons are offered where somebody holds the role, and nowhere else", () => {
  const roles = [
    { role: "RECIPIENT", place: null },
    { role: "HUB_CLERK", place: "A" },
    { role: "HUB_MANAGER", place: "B" },
    { role: "COURIER", place: "C" },
  ];
  assert.deepEqual([hubsOf(roles), isEverywhere(roles)], [["A", "B"], false]);
  assert.deepEqual(["inspect", "closeDoor"].map(offersAt(roles, "A")), [true, false]);
  assert.deepEqual(["incidents", "hours"].map(offersAt(roles, "B")), [true, true]);
  assert.equal(offersAt(roles, "C")("inspect"), false);
  assert.ok(isEverywhere([{ role: "OPERATOR", place: null }]));
});

test("a kilometre is as long across as it is down, north is up, and all hubs are on the map", () => {
  const hubs = [
    { latitude: 60, longitude: 24 },
    { latitude: 60.1, longitude: 24.2 },
    { latitude: 60, longitude: 24.2 },
  ];
  const { x, y } = projectionOf(hubs);
  const across = x(hubs[2]) - x(hubs[0]);
  const down = y(hubs[2]) - y(hubs[1]);
  assert.ok(Math.abs(across / down - 1) < 0.01);
  for (const hub of hubs) assert.ok(x(hub) > 0 && x(hub) < 720 && y(hub) > 0 && y(hub) < 360);
  const alone = projectionOf([hubs[0]]);
  assert.deepEqual([alone.x(hubs[0]), alone.y(hubs[0])], [360, 180]);
});
