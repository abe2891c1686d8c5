// What of `node:assert/strict` the tests use, for a browser.
function check(holds, message) {
  if (!holds) throw new Error(`assertion failed: ${message}`);
}

const spelled = (value) =>
  JSON.stringify(value, (_, item) => (typeof item === 'bigint' ? `${item}n` : item));

function checkThrown(error, expected, message) {
  if (expected === undefined) return;
  if (typeof expected === 'object') {
    for (const [key, value] of Object.entries(expected))
      check(error[key] === value, message ?? key);
  } else {
    check(error instanceof expected, message ?? `${error} in place of ${expected.name}`);
  }
}

export default {
  ok: (value, message) => check(value, message ?? 'not true'),
  equal: (a, b, message) => check(Object.is(a, b), message ?? `${a} is not ${b}`),
  strictEqual: (a, b, message) => check(Object.is(a, b), message ?? `${a} is not ${b}`),
  notEqual: (a, b, message) => check(!Object.is(a, b), message ?? `${a} twice`),
  deepEqual: (a, b, message) =>
    check(spelled(a) === spelled(b), message ?? `${spelled(a)} is not ${spelled(b)}`),
  throws(run, expected, message) {
    let thrown = null;
    try {
      run();
    } catch (error) {
      thrown = { error };
    }
    check(thrown, message ?? 'nothing was thrown');
    checkThrown(thrown.error, expected, message);
  },
  async rejects(promise, expected, message) {
    const thrown = await promise.then(
      () => null,
      (error) => ({ error }),
    );
    check(thrown, message ?? 'nothing was thrown');
    checkThrown(thrown.error, expected, message);
  },
};
