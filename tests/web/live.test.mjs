// Following a subscription: whole states, back-off, tokens that end, and links that fall silent.
import assert from "node:assert/strict";
import { test } from "node:test";

import { SignedOut, Unreachable } from "../../server/web/kit/account.js";
import { follow } from "../../server/web/kit/live.js";

const WAIT_MS = 500;

// One page with a server that the test plays; timers go off when the test says so.
function page({ findCredentials = async () => ({}) } = {}) {
  const made = { sockets: [], timers: [], asked: [], told: [] };
  const means = {
    openSocket() {
      const socket = { readyState: 1, sent: [], isClosed: false };
      socket.send = (text) => socket.sent.push(JSON.parse(text));
      socket.close = () => (socket.isClosed = true);
      socket.hear = (message) => socket.onmessage({ data: JSON.stringify(message) });
      made.sockets.push(socket);
      return socket;
    },
    async findCredentials(how) {
      made.asked.push(how);
      return findCredentials(how);
    },
    later(work, ms) {
      const timer = { work, ms };
      made.timers = [...made.timers, timer];
      return () => (made.timers = made.timers.filter((one) => one !== timer));
    },
    random: () => 1,
  };
  const follower = {
    onState: (state) => made.told.push(state),
    onLink: (link) => made.told.push(link),
    onEnd: (reason) => made.told.push(`end ${reason}`),
  };
  made.link = follow("subscription { hubFeed { hub } }", { hub: "H" }, follower, means);
  made.wake = async () => {
    const [timer] = made.timers.splice(0, 1);
    timer.work();
    await settled();
    return timer.ms;
  };
  return made;
}

const settled = () => new Promise((resolve) => setImmediate(resolve));

async function joined(made) {
  await settled();
  const socket = made.sockets.at(-1);
  socket.onopen();
  socket.hear({ type: "connection_ack" });
  return socket;
}

const next = (value) => ({ id: "1", type: "next", payload: { data: { hubFeed: value } } });

test("a page joins with its credentials and is told each whole state", async () => {
  const made = page({ findCredentials: async () => ({ authorization: "DPoP t", dpop: "p" }) });
  const socket = await joined(made);
  socket.hear(next(1));
  socket.hear(next(2));
  assert.deepEqual(socket.sent[0], {
    type: "connection_init",
    payload: { authorization: "DPoP t", dpop: "p" },
  });
  assert.deepEqual(
    [socket.sent[1].type, socket.sent[1].payload.variables],
    ["subscribe", { hub: "H" }],
  );
  assert.deepEqual(made.told, ["joining", "live", 1, "live", 2]);
});

test("a broken link is joined again, later each time", async () => {
  let isFirst = true;
  const made = page({
    findCredentials: async () => {
      if (!isFirst) throw new Unreachable("no network");
      isFirst = false;
      return {};
    },
  });
  (await joined(made)).onclose({ code: 1006 });
  const waits = [];
  for (let turn = 0; turn < 8; turn += 1) waits.push(await made.wake());
  assert.deepEqual(waits.slice(0, 3), [WAIT_MS, 2 * WAIT_MS, 4 * WAIT_MS]);
  assert.equal(waits.at(-1), 30_000);
  assert.equal(made.told.at(-1), "broken");
});

test("a token that has ended is renewed at once; a second refusal waits", async () => {
  const made = page();
  (await joined(made)).onclose({ code: 4401 });
  await settled();
  assert.deepEqual(made.asked, [{ isRefused: false }, { isRefused: true }]);
  assert.deepEqual(made.told, ["joining", "joining"]);
  made.sockets[1].onclose({ code: 4403 });
  assert.equal(made.told.at(-1), "broken");
});

test("a link that is silent is asked, and given up if it says nothing", async () => {
  const made = page();
  const socket = await joined(made);
  await made.wake();
  assert.equal(socket.sent.at(-1).type, "ping");
  socket.hear({ type: "pong" });
  await made.wake();
  await made.wake();
  assert.ok(socket.isClosed);
  assert.equal(made.told.at(-1), "broken");
});

test("a state with a hole in it is not shown: a new link brings a whole one", async () => {
  const made = page();
  const socket = await joined(made);
  socket.hear({ id: "1", type: "next", payload: { data: { hubFeed: 1 }, errors: [{}] } });
  assert.ok(socket.isClosed);
  assert.deepEqual(made.told, ["joining", "broken"]);
});

for (const [message, reason] of [
  [{ id: "1", type: "error", payload: [{}] }, "refused"],
  [{ id: "1", type: "complete" }, "over"],
])
  test(`what the server ends by "${message.type}" is not tried again`, async () => {
    const made = page();
    (await joined(made)).hear(message);
    assert.equal(made.told.at(-1), `end ${reason}`);
    assert.deepEqual(made.timers, []);
  });

test("a device that the server knows no more is told so", async () => {
  const made = page({
    findCredentials: async () => {
      throw new SignedOut("gone");
    },
  });
  await settled();
  assert.deepEqual(made.told, ["joining", "end signed-out"]);
});

test("whoever has left hears nothing more", async () => {
  const made = page();
  const socket = await joined(made);
  made.link.leave();
  socket.hear(next(1));
  socket.onclose({ code: 1000 });
  assert.deepEqual(made.told, ["joining"]);
  assert.ok(socket.isClosed && made.timers.length === 0);
});

test("the network is back: nobody waits any longer", async () => {
  const made = page();
  (await joined(made)).onclose({ code: 1006 });
  made.link.rejoin();
  (await joined(made)).hear(next(3));
  assert.deepEqual([made.sockets.length, made.told.at(-1)], [2, 3]);
});
