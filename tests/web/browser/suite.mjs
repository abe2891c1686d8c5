// What of `node:test` the tests use, for a browser: one test after the other.
const tests = [];

export function test(name, run) {
  tests.push({ name, run });
}

export async function runAll() {
  const failed = [];
  for (const { name, run } of tests) {
    try {
      await run();
    } catch (error) {
      failed.push(`${name}: ${error?.stack ?? error}`);
    }
  }
  return { passed: tests.length - failed.length, failed };
}
