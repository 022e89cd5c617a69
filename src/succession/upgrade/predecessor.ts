/** The new baton's side of an upgrade by a child: what it inherited, and what it says to the old baton. */
import { jsonBytes } from "../../platform/bytes.ts";
import type { Timer } from "../../platform/clock.ts";
import { Fd } from "../../platform/fd.ts";
import { C } from "../../platform/libc/constants.ts";
import type { Platform } from "../../platform/platform.ts";
import type { Watch } from "../../platform/reactor.ts";
import type { Listeners } from "../../steering/listeners.ts";
import { cutReason } from "../state/fields.ts";
import { NamedDescriptors, readState } from "../state/resumption.ts";
import {
  HANDOVER_ENV,
  HANDOVER_VERSION,
  type HandoverMessage,
  type HandoverState,
  parseState,
} from "./protocol.ts";

/** The old baton says one thing, which needs no look at it: `handed_over`. */
const MESSAGE_LIMIT = 64;
/** How long the old baton may be silent: one that is stopped, or of an earlier version, says nothing. */
const SILENCE_LIMIT_MS = 5_000;

export class Predecessor {
  readonly state: HandoverState;
  /** The lock on the service's name, shared with the old baton. */
  readonly lock: Fd;
  readonly passedOn: NamedDescriptors;
  readonly #control: Fd;
  /** Members, in the order of the state. */
  readonly #members: Fd[];
  #watch: Watch | null = null;
  #isSilent = false;
  #onSilent: () => void = () => {};
  #limit: Timer | null = null;

  /** @param first number of the first inherited descriptor. @throws {Error} when the state is unusable */
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
    const text = readState(first + 1);
    new Fd(libc, first + 1).close();
    this.lock = take(first + 2);
    this.state = parseState(text);
    const members = this.state.groups.flatMap((group) => group.members);
    this.#members = members.map((_, i) => take(first + 3 + i));
    const behind = first + 3 + members.length;
    const named = (this.state.passedOn ?? []).map((name, i) => [name, take(behind + i)] as const);
    this.passedOn = new NamedDescriptors(named);
  }

  /** Puts the old baton's members into the table, in the kernel's order. */
  importInto(listeners: Listeners): void {
    const fds = [...this.#members];
    for (const { address, members } of this.state.groups) {
      const records = members.map((record) => ({ record, fd: fds.shift()! }));
      listeners.obtain(address).importMembers(records);
    }
  }

  /** @param events.onGone the old baton has exited */
  watch({ onGone }: { readonly onGone: () => void }): void {
    this.#watch = this.platform.reactor.watch(this.#control, () => {
      let isGone = true;
      try {
        const message = this.platform.descriptors.receive(this.#control, MESSAGE_LIMIT);
        isGone = message === null || message.data.length === 0;
        message?.fds.forEach((fd) => fd.close());
      } catch {
        // ECONNRESET: gone too.
      }
      this.#becomeSilent();
      if (!isGone) return this.#watch?.arm();
      this.close();
      onGone();
    });
  }

  /** The old baton steers nothing any more: the new generation may serve at once. */
  beforeServing(_epoch: number, go: () => void): void {
    go();
  }

  /** Calls `go` when the old baton publishes no events of the service any more. */
  whenSilent(go: () => void): void {
    if (this.#isSilent) return go();
    this.#onSilent = go;
    this.#limit = this.platform.clock.after(SILENCE_LIMIT_MS, () => this.#becomeSilent());
  }

  #becomeSilent(): void {
    if (this.#isSilent) return;
    this.#isSilent = true;
    this.#limit?.cancel();
    this.#onSilent();
  }

  stop(how: "soon" | "now"): void {
    this.platform.processes.signal(this.state.pid, how === "now" ? C.SIGKILL : C.SIGTERM);
  }

  reportServing(): void {
    this.#say({ kind: "serving", epoch: this.state.nextEpoch });
  }

  reportFailure(reason: string): void {
    this.#say({ kind: "failed", reason: cutReason(reason) });
  }

  #say(message: HandoverMessage): void {
    try {
      this.platform.descriptors.send(this.#control, jsonBytes(message));
    } catch {
      // The old one is gone, and `watch` notices.
    }
  }

  close(): void {
    this.#limit?.cancel();
    this.#watch?.cancel();
    this.#control.close();
  }
}

/** @returns the old baton's handover, when this process was started as its successor */
export function findPredecessor(platform: Platform, version: string): Predecessor | null {
  const first = platform.runtime.env()[HANDOVER_ENV];
  if (first === undefined || !/^\d{1,4}$/.test(first)) return null;
  return new Predecessor(platform, Number(first), version);
}
