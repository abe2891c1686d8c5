// The other end of locker_pipe.py: the real agent as a child process, and transports to it.
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

import { Lost, Refused } from "../../server/web/kit/slk1/errors.js";
import { PhoneLink } from "../../server/web/kit/slk1/link.js";
import { Session } from "../../server/web/kit/slk1/session.js";
import { publicBytes } from "../../server/web/kit/slk1/ed25519.js";
import { bytes, hex } from "./frozen.mjs";

export const ROOT = fileURLToPath(new URL("../../", import.meta.url));
export const PYTHON = process.env.RESTANTE_PYTHON ?? ".venv/bin/python";

export class Locker {
  #child;
  #answers = new Map();
  #phones = new Map();
  #count = 0;

  static async start() {
    const locker = new Locker();
    await locker.#begin();
    const [lid, noisePublic, signPublic] = (await locker.ask("identity")).split(" ").map(bytes);
    locker.keys = { lid, noisePublic, signPublic };
    return locker;
  }

  #begin() {
    this.#child = spawn(PYTHON, ["-m", "tests.web.locker_pipe"], {
      cwd: ROOT,
      stdio: ["pipe", "pipe", "inherit"],
    });
    return new Promise((resolve, reject) => {
      this.#child.on("error", reject);
      this.#child.on("exit", () => reject(new Error("the agent ended")));
      createInterface({ input: this.#child.stdout }).on("line", (line) => {
        if (line === "ready") resolve();
        else this.#hear(line.split(" "));
      });
    });
  }

  #hear([first, second, ...rest]) {
    if (first === "notify") this.#phones.get(second).notify(bytes(rest[0]));
    else if (first === "gone") this.#phones.get(second).end();
    else {
      const { resolve, reject } = this.#answers.get(first);
      this.#answers.delete(first);
      if (second === "ok") resolve(rest.join(" "));
      else
        reject(
          rest[0] === "0" ? new Lost("the connection has ended") : new Refused(Number(rest[0])),
        );
    }
  }

  ask(verb, ...words) {
    const number = String((this.#count += 1));
    return new Promise((resolve, reject) => {
      this.#answers.set(number, { resolve, reject });
      this.#child.stdin.write(`${[number, verb, ...words].join(" ")}\n`);
    });
  }

  // A phone at the radio, as the port of link.js.
  async connect(mtu = 517) {
    const name = `phone${this.#phones.size}`;
    const phone = { notify: () => {}, end: () => {}, isGone: false };
    this.#phones.set(name, phone);
    const fragmentSize = Number(await this.ask("connect", name, mtu));
    return {
      fragmentSize,
      read: async (part) => bytes(await this.ask(part, name)),
      write: async (fragment) => {
        await this.ask("write", name, hex(fragment));
      },
      onNotify: (listener) => {
        phone.notify = listener;
      },
      onGone: (listener) => {
        phone.end = listener;
      },
      close: async () => {
        await this.ask("leave", name).catch(() => {});
      },
    };
  }

  async session(device, { transport, mtu, ...options } = {}) {
    const link = new PhoneLink(transport ?? (await this.connect(mtu)));
    return { link, session: new Session(link, this.keys, device.signer, options) };
  }

  async token(operation, device, changes = {}) {
    return bytes(
      await this.ask(
        "token",
        operation,
        JSON.stringify({ holder: hex(device.publicKey), ...changes }),
      ),
    );
  }

  async stop() {
    this.#child.removeAllListeners("exit");
    const ended = new Promise((resolve) => {
      this.#child.on("exit", resolve);
    });
    this.#child.stdin.end();
    await ended;
  }
}

// A device key as a browser keeps it: never to be read.
export async function makeDevice() {
  const { privateKey, publicKey } = await crypto.subtle.generateKey("Ed25519", false, ["sign"]);
  return { signer: privateKey, publicKey: await publicBytes(publicKey) };
}
