/**
 * What the server tells live: subscriptions over graphql-transport-ws, each on a socket of its own.
 * Every message is a whole state: after a gap the next one makes up for all that was missed.
 */

import { SignedOut, Unreachable, socketCredentials } from "./account.js";

const PATH = "/graphql";
const PROTOCOL = "graphql-transport-ws";
const KEY = "1";
const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 30_000;
/** A link that says nothing for so long is asked whether it is there, and has as long to answer. */
const SILENCE_MS = 20_000;
/** The access token has ended, or was refused. */
const REFUSED = [4401, 4403];

/** @typedef {"joining" | "live" | "broken"} Link */

/**
 * @typedef {object} Follower
 * @property {(state: any) => void} onState each whole state, the first at once
 * @property {(link: Link) => void} onLink whether what is shown is of now
 * @property {(reason: "refused" | "over" | "signed-out") => void} onEnd it is not tried again:
 *   the server refused the operation, ended it, or knows this device no more
 */

/** What it is followed with; tests bring their own. */
const BROWSER = {
  openSocket: () => {
    const url = new URL(PATH, location.href);
    url.protocol = url.protocol.replace("http", "ws");
    return new WebSocket(url, PROTOCOL);
  },
  findCredentials: socketCredentials,
  later: (/** @type {() => void} */ work, /** @type {number} */ ms) => {
    const timer = setTimeout(work, ms);
    return () => clearTimeout(timer);
  },
  random: Math.random,
};

/**
 * Follows a subscription until it is left; joins again by itself, later each time, whatever breaks.
 * @param {string} query with one field
 * @param {Record<string, unknown>} variables
 * @param {Follower} follower
 * @param {typeof BROWSER} [means]
 * @returns {{leave: () => void, rejoin: () => void}} `rejoin` does not wait any longer
 */
export function follow(query, variables, follower, means = BROWSER) {
  const following = new Following({ query, variables }, follower, means);
  following.join();
  return { leave: () => following.leave(), rejoin: () => following.rejoin() };
}

class Following {
  #waitMs = FIRST_WAIT_MS;
  #isOver = false;
  #wasRefused = false;
  /** Counts links, so that an older one's late words are not heard. */
  #turn = 0;
  /** @type {WebSocket | null} */
  #socket = null;
  #cancel = () => {};

  /**
   * @param {{query: string, variables: Record<string, unknown>}} operation
   * @param {Follower} follower
   * @param {typeof BROWSER} means
   */
  constructor(operation, follower, means) {
    this.operation = operation;
    this.follower = follower;
    this.means = means;
  }

  async join() {
    const mine = ++this.#turn;
    this.follower.onLink("joining");
    let payload;
    try {
      payload = await this.means.findCredentials({ isRefused: this.#wasRefused });
    } catch (error) {
      if (mine !== this.#turn) return;
      if (error instanceof SignedOut) return this.#end("signed-out");
      if (error instanceof Unreachable) return this.#joinLater();
      throw error;
    }
    if (mine !== this.#turn || this.#isOver) return;
    const socket = (this.#socket = this.means.openSocket());
    const isMine = () => mine === this.#turn && !this.#isOver;
    socket.onopen = () => isMine() && this.#send({ type: "connection_init", payload });
    socket.onmessage = ({ data }) => isMine() && this.#hear(data);
    socket.onclose = ({ code }) => isMine() && this.#lose(REFUSED.includes(code));
    this.#listen();
  }

  leave() {
    this.#isOver = true;
    this.#drop();
  }

  rejoin() {
    if (this.#isOver) return;
    this.#drop();
    this.join();
  }

  /** @param {unknown} message */
  #send(message) {
    this.#socket?.send(JSON.stringify(message));
  }

  /** @param {string} data */
  #hear(data) {
    this.#listen();
    const message = JSON.parse(data);
    switch (message.type) {
      case "connection_ack":
        this.#wasRefused = false;
        return this.#send({ id: KEY, type: "subscribe", payload: this.operation });
      case "ping":
        return this.#send({ type: "pong" });
      case "next":
        return this.#take(message.payload);
      case "error":
        return this.#end("refused");
      case "complete":
        return this.#end("over");
    }
  }

  /** @param {{data?: Record<string, unknown> | null, errors?: unknown[]}} payload */
  #take({ data, errors }) {
    // A state with a hole in it is none: a new link asks for a whole one.
    if (errors?.length || !data) return this.#lose(false);
    this.#waitMs = FIRST_WAIT_MS;
    this.follower.onLink("live");
    this.follower.onState(Object.values(data)[0]);
  }

  /** Waits for the next word; asks for one, and gives the link up if none comes. */
  #listen() {
    this.#cancel();
    this.#cancel = this.means.later(() => {
      if (this.#socket?.readyState === 1) this.#send({ type: "ping" });
      this.#cancel = this.means.later(() => this.#lose(false), SILENCE_MS);
    }, SILENCE_MS);
  }

  /** @param {boolean} wasRefused */
  #lose(wasRefused) {
    const isFirst = wasRefused && !this.#wasRefused;
    this.#wasRefused = wasRefused;
    this.#drop();
    // A token that has ended is renewed at once: nothing is broken.
    if (isFirst) this.join();
    else this.#joinLater();
  }

  #joinLater() {
    this.follower.onLink("broken");
    // Scattered, so that all the pages do not come back at once after the server was away.
    const waitMs = this.#waitMs * (0.5 + this.means.random() / 2);
    this.#waitMs = Math.min(this.#waitMs * 2, LONGEST_WAIT_MS);
    this.#cancel = this.means.later(() => this.join(), waitMs);
  }

  /** @param {"refused" | "over" | "signed-out"} reason */
  #end(reason) {
    this.leave();
    this.follower.onEnd(reason);
  }

  #drop() {
    this.#turn += 1;
    this.#cancel();
    this.#socket?.close();
    this.#socket = null;
  }
}
