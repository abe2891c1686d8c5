// Runs every audit of npm graphql-http against one URL: node audit.mjs URL
// Prints each failure with its reason, then a closing line; exit status 0 only if all of them passed.
import { serverAudits } from "graphql-http";

const EXPECTED = 61;
const [url] = process.argv.slice(2);

let passed = 0;
const audits = serverAudits({ url, fetchFn: fetch });
for (const audit of audits) {
  const result = await audit.fn();
  if (result.status === "ok") {
    passed += 1;
  } else {
    console.log(`${result.status}: ${audit.id} ${audit.name}: ${result.reason}`);
  }
}
console.log(`graphql-http audits: ${passed} passed, ${audits.length - passed} failed`);
process.exit(passed === audits.length && passed === EXPECTED ? 0 : 1);
