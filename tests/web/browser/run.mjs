// All tests that need no other process, in this browser; the server is told what became of them.
import { runAll } from './suite.mjs';

const NAMES = ['codec', 'hostile', 'own_vectors', 'sharing', 'vectors'];

async function run() {
  for (const name of NAMES) await import(`../${name}.test.mjs`);
  return runAll();
}

const outcome = await run().catch((error) => ({
  passed: 0,
  failed: [String(error?.stack ?? error)],
}));
await fetch('/outcome', { method: 'POST', body: JSON.stringify(outcome) });
