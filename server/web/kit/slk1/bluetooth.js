/**
 * The port of link.js over Web Bluetooth. Browsers keep the MTU and the numbers of ATT errors back,
 * and take one operation at a time. Where notifications cannot be had, the result is read again
 * and again.
 */
import { Lost, NotFound, Refused } from "./errors.js";
import {
  COMMAND_UUID,
  COMPANY_ID,
  fragmentSize,
  HELLO_UUID,
  lidTag,
  RESULT_UUID,
  SERVICE_UUID,
} from "./gatt.js";

/** Two phones that answer the same advertisement collide, and one of them has to try again. */
const ATTEMPTS = 3;

/** How often the result is read where no notification can be had. */
const POLL_MS = 300;

/**
 * What stands between this browser and a locker, before anybody is asked to choose one.
 * @param {Bluetooth | undefined} bluetooth `navigator.bluetooth`
 * @returns {Promise<'MISSING' | 'OFF' | 'READY'>} MISSING: this browser has none, show QR and PIN
 */
export async function findBluetooth(bluetooth) {
  if (bluetooth === undefined) return "MISSING";
  return (await bluetooth.getAvailability()) ? "READY" : "OFF";
}

/**
 * Lets the person choose the locker of this id; needs a click or a key press. NotFound when nothing
 * was chosen, or where Bluetooth is off or not permitted (`cause` is the browser's word).
 * @param {Uint8Array} lid
 * @param {Bluetooth} bluetooth `navigator.bluetooth`
 * @returns {Promise<BluetoothDevice>}
 */
export async function chooseLocker(lid, bluetooth) {
  const manufacturerData = [{ companyIdentifier: COMPANY_ID, dataPrefix: lidTag(lid) }];
  const filters = [{ services: [SERVICE_UUID], manufacturerData }];
  try {
    return await bluetooth.requestDevice({ filters, optionalServices: [SERVICE_UUID] });
  } catch (cause) {
    throw new NotFound("no locker was chosen", { cause });
  }
}

/**
 * Connects and subscribes. Lost when that fails three times; nothing stays open then.
 * @param {BluetoothDevice} device
 * @param {{pollMs?: number}} [options]
 * @returns {Promise<import('./link.js').Transport>}
 */
export async function connectLocker(device, { pollMs = POLL_MS } = {}) {
  let cause = null;
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    try {
      const transport = new BluetoothTransport(device, await findCharacteristics(device), pollMs);
      await transport.subscribe();
      return transport;
    } catch (error) {
      cause = error;
      device.gatt.disconnect();
    }
  }
  throw new Lost("the locker is there and cannot be connected", { cause });
}

async function findCharacteristics(device) {
  const server = await device.gatt.connect();
  const service = await server.getPrimaryService(SERVICE_UUID);
  return {
    hello: await service.getCharacteristic(HELLO_UUID),
    command: await service.getCharacteristic(COMMAND_UUID),
    result: await service.getCharacteristic(RESULT_UUID),
  };
}

/** One connection; `subscribe` comes first. */
class BluetoothTransport {
  fragmentSize = fragmentSize(null);
  #device;
  #parts;
  #pollMs;
  #poll = null;
  #isGone = false;
  #busy = Promise.resolve();
  #onNotify = () => {};
  #onGone = () => {};

  constructor(device, parts, pollMs) {
    this.#device = device;
    this.#parts = parts;
    this.#pollMs = pollMs;
    device.addEventListener("gattserverdisconnected", () => this.#end(), { once: true });
  }

  async subscribe() {
    const { result } = this.#parts;
    try {
      await result.startNotifications();
    } catch (error) {
      if (!this.#device.gatt.connected) throw error;
      this.#pollLater("");
      return;
    }
    // Reading raises the same event; what is heard twice does not open twice.
    result.addEventListener("characteristicvaluechanged", (event) => {
      this.#onNotify(asBytes(event.target.value));
    });
  }

  read(name) {
    return this.#alone(async () => asBytes(await this.#parts[name].readValue()));
  }

  write(fragment) {
    return this.#alone(() => this.#parts.command.writeValueWithResponse(fragment));
  }

  onNotify(listener) {
    this.#onNotify = listener;
  }

  onGone(listener) {
    this.#onGone = listener;
    if (this.#isGone) listener();
  }

  async close() {
    this.#device.gatt.disconnect();
    this.#end();
  }

  /** One operation after the other: a second one at once is refused by some systems. */
  #alone(operate) {
    const done = this.#busy.then(() => this.#reported(operate));
    this.#busy = done.then(
      () => {},
      () => {},
    );
    return done;
  }

  async #reported(operate) {
    if (this.#isGone) throw new Lost("the connection has ended");
    try {
      return await operate();
    } catch (cause) {
      if (!this.#device.gatt.connected) throw new Lost("the connection has ended", { cause });
      throw new Refused(null, { cause });
    }
  }

  #pollLater(former) {
    this.#poll = setTimeout(async () => {
      const value = await this.read("result").catch(() => new Uint8Array(0));
      if (this.#isGone) return;
      const now = value.join();
      if (value.length > 0 && now !== former) this.#onNotify(value);
      this.#pollLater(now);
    }, this.#pollMs);
  }

  #end() {
    if (this.#isGone) return;
    this.#isGone = true;
    clearTimeout(this.#poll);
    this.#onGone();
  }
}

function asBytes(view) {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength).slice();
}
