/**
 * The new baton's side of an upgrade: what it inherited, and talking to the old one.
 */
import { readFileSync, statSync } from "node:fs";
import { Fd } from "../../platform/fd.ts";
import type { Platform } from "../../platform/platform.ts";
import type { Watch } from "../../platform/reactor.ts";
import type { MemberRecord } from "../../steering/member.ts";
import type { Listeners } from "../../steering/listeners.ts";
import {
  HANDOVER_ENV,
  HANDOVER_VERSION,
  type HandoverMessage,
  type HandoverState,
  MESSAGE_LIMIT,
  parseState,
  STATE_LIMIT,
} from "./protocol.ts";
import { C } from "../../platform/libc/constants.ts";

export class Predecessor {
  readonly state: HandoverState;
  /** The lock on the service's name, shared with the old baton. */
  readonly lock: Fd;
  readonly #control: Fd;
  readonly #members: Fd[] = [];
  #watch: Watch | null = null;

  /** @param first number of the first inherited descriptor. @throws {Error} when it does not fit */
  constructor(readonly platform: Platform, first: number, version: string) {
    const { libc, descriptors } = platform;
    // Inherited descriptors have no close-on-exec: duplicates do, and the originals are closed.
    const take = (number: number): Fd => {
      const original = new Fd(libc, number);
      const copy = descriptors.duplicate(original);
      original.close();
      return copy;
    };
    this.#control = take(first);
    this.#say({ kind: "hello", version: HANDOVER_VERSION, batonVersion: version });
    // Deno knows nothing of a descriptor that it has not opened itself.
    const { size } = statSync(`/proc/self/fd/${first + 1}`);
    if (size > STATE_LIMIT) throw new Error(`Cannot take over: the state has ${size} bytes`);
    const text = readFileSync(`/proc/self/fd/${first + 1}`, "utf8");
    new Fd(libc, first + 1).close();
    this.lock = take(first + 2);
    this.state = parseState(text);
    const count = this.state.groups.reduce((sum, { members }) => sum + members.length, 0);
    for (let i = 0; i < count; i++) this.#members.push(take(first + 3 + i));
  }

  /** Puts the old baton's members into the table, in the kernel's order. */
  importInto(listeners: Listeners): void {
    const fds = [...this.#members];
    for (const { address, members } of this.state.groups) {
      const records = members.map((record: MemberRecord) => ({ record, fd: fds.shift()! }));
      listeners.obtain(address).importMembers(records);
    }
  }

  /** Calls `onGone` when the old baton has ended. */
  watch(onGone: () => void): void {
    this.#watch = this.platform.reactor.watch(this.#control, () => {
      let ended = true;
      try {
        const message = this.platform.descriptors.receive(this.#control, MESSAGE_LIMIT);
        ended = message === null || message.data.length === 0;
        message?.fds.forEach((fd) => fd.close());
      } catch {
        // ECONNRESET: gone too.
      }
      if (!ended) return this.#watch?.arm();
      this.close();
      onGone();
    });
  }

  /** It steers nothing any more: ours may serve when it can. */
  beforeServing(_epoch: number, go: () => void): void {
    go();
  }

  stop(how: "soon" | "now"): void {
    this.platform.processes.signal(this.state.pid, how === "now" ? C.SIGKILL : C.SIGTERM);
  }

  reportServing(epoch: number): void {
    this.#say({ kind: "serving", epoch });
  }

  reportFailure(reason: string): void {
    this.#say({ kind: "failed", reason: reason.slice(0, MESSAGE_LIMIT / 4) });
  }

  #say(message: HandoverMessage): void {
    try {
      const text = new TextEncoder().encode(JSON.stringify(message));
      this.platform.descriptors.send(this.#control, text);
    } catch {
      // It is gone; the watch tells.
    }
  }

  close(): void {
    this.#watch?.cancel();
    this.#watch = null;
    this.#control.close();
  }
}

/** @returns the old baton's hand-over, when this process was started as its successor */
export function findPredecessor(platform: Platform, version: string): Predecessor | null {
  const first = platform.runtime.env()[HANDOVER_ENV];
  if (first === undefined || !/^\d{1,4}$/.test(first)) return null;
  return new Predecessor(platform, Number(first), version);
}
