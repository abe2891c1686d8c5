// Each language says the same things, with the same places in its sentences.
import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { test } from "node:test";

const WEB = new URL("../../server/web/", import.meta.url);
const LANGUAGES = ["de", "en", "es", "fr"];

const load = async (name) => (await import(new URL(`kit/words/${name}.js`, WEB))).default;
const placesIn = (sentence) => (sentence.match(/\{\w+\}/g) ?? []).sort();

test("every language has words for the same keys, with the same places", async () => {
  const english = await load("en");
  for (const name of LANGUAGES) {
    const words = await load(name);
    assert.deepEqual(Object.keys(words).sort(), Object.keys(english).sort(), name);
    for (const [key, sentence] of Object.entries(words)) {
      assert.ok(sentence.trim(), `${name} ${key}`);
      assert.deepEqual(placesIn(sentence), placesIn(english[key]), `${name} ${key}`);
    }
  }
});

test("whatever the pages say has words", async () => {
  const english = await load("en");
  const files = await readdir(new URL("app/", WEB));
  for (const file of files.filter((one) => one.endsWith(".js"))) {
    const code = await readFile(new URL(`app/${file}`, WEB), "utf8");
    for (const [, key] of code.matchAll(/\bsay\("([^"]+)"/g)) assert.ok(key in english, key);
  }
});
