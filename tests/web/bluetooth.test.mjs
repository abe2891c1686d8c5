// The port over Web Bluetooth, with a browser's objects in front of the real agent.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { chooseLocker, connectLocker, findBluetooth } from "../../server/web/kit/slk1/bluetooth.js";
import { Code, DoorEvent, Operation } from "../../server/web/kit/slk1/codes.js";
import { Lost, NotFound, Refused } from "../../server/web/kit/slk1/errors.js";
import {
  COMMAND_UUID,
  HELLO_UUID,
  RESULT_UUID,
  SERVICE_UUID,
} from "../../server/web/kit/slk1/gatt.js";
import { hex } from "./frozen.mjs";
import { Locker, makeDevice } from "./locker.mjs";

let locker;
before(async () => {
  locker = await Locker.start();
});
after(() => locker.stop());

class Characteristic extends EventTarget {
  constructor(device, part, canNotify = true) {
    super();
    Object.assign(this, { device, part, canNotify, value: null });
  }

  // As some systems do: a second operation at once is refused.
  async #alone(operate) {
    if (!this.device.gatt.connected) throw new DOMException("disconnected", "NetworkError");
    if (this.device.isBusy) throw new DOMException("already in progress", "NetworkError");
    this.device.isBusy = true;
    try {
      return await operate();
    } catch {
      throw new DOMException("unknown reason", "NotSupportedError");
    } finally {
      this.device.isBusy = false;
    }
  }

  readValue() {
    return this.#alone(async () => {
      this.raise(await this.device.port.read(this.part));
      return this.value;
    });
  }

  writeValueWithResponse(fragment) {
    return this.#alone(() => this.device.port.write(fragment));
  }

  async startNotifications() {
    if (!this.canNotify) throw new DOMException("no notifications", "NotSupportedError");
    this.device.port.onNotify((fragment) => this.raise(fragment));
  }

  raise(data) {
    // A view into a larger buffer, as a browser may hand out.
    const buffer = new Uint8Array([0, 0, ...data, 0]).buffer;
    this.value = new DataView(buffer, 2, data.length);
    this.dispatchEvent(new Event("characteristicvaluechanged"));
  }
}

class Device extends EventTarget {
  constructor({ canNotify = true, failures = 0 } = {}) {
    super();
    this.isBusy = false;
    this.failures = failures;
    const parts = new Map([
      [HELLO_UUID, new Characteristic(this, "hello")],
      [COMMAND_UUID, new Characteristic(this, "command")],
      [RESULT_UUID, new Characteristic(this, "result", canNotify)],
    ]);
    const service = { getCharacteristic: async (uuid) => parts.get(uuid) };
    this.gatt = {
      connected: false,
      connect: () => this.#connect(service),
      disconnect: () => this.leave(),
    };
  }

  async #connect(service) {
    if (this.failures-- > 0) throw new DOMException("connection attempt failed", "NetworkError");
    this.port = await locker.connect(185);
    this.port.onGone(() => this.leave());
    this.gatt.connected = true;
    return { getPrimaryService: async (uuid) => (uuid === SERVICE_UUID ? service : null) };
  }

  leave() {
    if (!this.gatt.connected) return;
    this.gatt.connected = false;
    this.port.close();
    this.dispatchEvent(new Event("gattserverdisconnected"));
  }
}

for (const [how, options] of [
  ["notified", {}],
  ["read again and again", { canNotify: false }],
]) {
  test(`door opens over a browser's Bluetooth, results ${how}`, async () => {
    const stay = `${how.length.toString(16).padStart(2, "0")}${"88".repeat(7)}`;
    const comp = Number(await locker.ask("deposit", stay));
    const device = await makeDevice();
    const transport = await connectLocker(new Device(options), { pollMs: 5 });
    const { session, link } = await locker.session(device, { transport });
    const chain = [await locker.token("OPEN", device, { stay })];
    const outcome = await session.request({ chain, wish: { op: Operation.OPEN } });
    assert.deepEqual([outcome.result.code, outcome.result.comp], [Code.OK, comp]);
    await locker.ask("shut", comp, "empty");
    const told = [];
    await session.watch(outcome, { timeoutMs: 5000, onEvent: ({ code }) => told.push(code) });
    assert.deepEqual(
      told,
      outcome.events.map(({ code }) => code),
    );
    assert.equal(told.at(-1), DoorEvent.CLOSED_EMPTY);
    await session.watch(outcome, { timeoutMs: 5000, onEvent: () => assert.fail("told twice") });
    await link.close();
    await assert.rejects(link.readHello(), Lost);
  });
}

test("a connection that fails twice is made at the third try, and not at a fourth", async () => {
  const transport = await connectLocker(new Device({ failures: 2 }));
  assert.equal(transport.fragmentSize, 180);
  await assert.rejects(
    transport.write(new Uint8Array([0x80, 1])),
    (error) => error instanceof Refused && error.code === null,
  );
  await transport.close();
  await assert.rejects(connectLocker(new Device({ failures: 3 })), Lost);
});

test("whoever comes late to a connection that has ended is told so", async () => {
  const device = new Device();
  const transport = await connectLocker(device);
  device.leave();
  let told = 0;
  transport.onGone(() => {
    told += 1;
  });
  await transport.close();
  assert.equal(told, 1);
  await assert.rejects(transport.read("hello"), Lost);
});

test("a browser without Bluetooth is told from one where it is off", async () => {
  assert.equal(await findBluetooth(undefined), "MISSING");
  for (const [available, state] of [
    [false, "OFF"],
    [true, "READY"],
  ]) {
    assert.equal(await findBluetooth({ getAvailability: async () => available }), state);
  }
});

test("the chooser shows this locker alone, and a closed one is no error of ours", async () => {
  let asked;
  const bluetooth = {
    requestDevice: async (options) => {
      asked = options;
      return "device";
    },
  };
  assert.equal(await chooseLocker(locker.keys.lid, bluetooth), "device");
  const [
    {
      services,
      manufacturerData: [{ companyIdentifier, dataPrefix }],
    },
  ] = asked.filters;
  assert.deepEqual([services, companyIdentifier], [[SERVICE_UUID], 0xffff]);
  assert.equal(hex(dataPrefix), hex(locker.keys.lid.slice(0, 6)));
  const closed = {
    requestDevice: async () => {
      throw new DOMException("cancelled", "NotFoundError");
    },
  };
  await assert.rejects(chooseLocker(locker.keys.lid, closed), NotFound);
});
