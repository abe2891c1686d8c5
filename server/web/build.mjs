// Bundles what the pages take from npm into vendor/, one file for each library.
// Does nothing while vendor/stamp names these very inputs; server/kit/web_build.py reads it too.
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";

const INPUTS = ["package.json", "package-lock.json", "build.mjs"];
const CHACHA = "vendor/chacha.js";
const STAMP = "vendor/stamp";

const here = (name) => new URL(name, import.meta.url);

async function digest() {
  const hash = createHash("sha256");
  for (const name of INPUTS) hash.update(await readFile(here(name)));
  return hash.digest("hex");
}

async function isBuilt(wanted) {
  if (!existsSync(here(CHACHA)) || !existsSync(here(STAMP))) return false;
  return (await readFile(here(STAMP), "utf8")).trim() === wanted;
}

async function put(name, content) {
  await writeFile(here(`${name}.part`), content);
  await rename(here(`${name}.part`), here(name));
}

async function bundle(contents) {
  const { build } = await import("esbuild");
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: new URL(".", import.meta.url).pathname },
    bundle: true,
    minify: true,
    format: "esm",
    target: "es2022",
    legalComments: "inline",
    write: false,
  });
  return outputFiles[0].contents;
}

const wanted = await digest();
if (!(await isBuilt(wanted))) {
  await mkdir(here("vendor"), { recursive: true });
  await put(CHACHA, await bundle("export { chacha20poly1305 } from '@noble/ciphers/chacha.js';"));
  // If we stop here, there is no stamp yet or an old one, and the next run builds again.
  await put(STAMP, `${wanted}\n`);
}
