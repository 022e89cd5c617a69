/** What all generations share of the move of kept connections: who waits, and who is on the way. */
import type { Fd } from "../platform/fd.ts";
import { SYS_ACCEPT, SYS_ACCEPT4, SYS_SHUTDOWN } from "../platform/libc/accept_calls.ts";
import type { Platform } from "../platform/platform.ts";
import * as proc from "../platform/process/proc.ts";
import { passiveOpens } from "../platform/network/proc_net.ts";
import type { Notification } from "../platform/process/seccomp.ts";
import type { Listeners } from "../steering/listeners.ts";
import { InFlightMoves, type MovedConnection } from "./in_flight.ts";
import { PendingAccepts } from "./pending_accepts.ts";
import { ConnectionRate, type KeepAliveMode, trapsAccept } from "./rate.ts";
import { Watchlist } from "./watchlist.ts";

export class Migration {
  readonly inbox: PendingAccepts;
  readonly crossings: InFlightMoves;
  /** System calls to trap in whoever is to get connections. */
  readonly trap: readonly number[];
  /** Generations whose connections are to be moved, and are not on their way yet; what lets them stay. */
  readonly moving = new Map<number, () => void>();
  readonly #rate = new ConnectionRate(passiveOpens);
  readonly #shutdown: number;

  /** @param onEmpty nobody is on the way any more: what has become of all until now */
  constructor(
    readonly platform: Platform,
    readonly listeners: Listeners,
    readonly mode: KeepAliveMode,
    onEmpty: (counts: MovedConnection) => void,
  ) {
    const { arch } = platform.runtime;
    this.#shutdown = SYS_SHUTDOWN[arch];
    this.trap = [SYS_ACCEPT[arch], SYS_ACCEPT4[arch], this.#shutdown];
    this.inbox = new PendingAccepts(platform, listeners, () => this.#letPass());
    this.crossings = new InFlightMoves(platform, this.inbox, {
      onChange: () => this.#letPass(),
      onEmpty,
    });
    this.#letPass();
  }

  /** Connections wait for somebody to accept. */
  get isAwaiting(): boolean {
    return !this.inbox.isEmpty;
  }

  /** While nobody is on the way these calls are no concern of ours, and go on at once. */
  #letPass(): void {
    const accepts = this.trap.filter((call) => call !== this.#shutdown);
    this.platform.reactor.letPass([
      ...this.inbox.isEmpty ? accepts : [],
      ...this.crossings.isEmpty ? [this.#shutdown] : [],
    ]);
  }

  /**
   * System calls to trap in the generation that starts now: with `auto`, none if they cost too much, unless it may
   * get the connections of one that drains already.
   */
  trapForNext(): readonly number[] {
    if (this.moving.size > 0 || !this.crossings.isEmpty) return this.trap;
    return trapsAccept(this.mode, this.#rate.take()) ? this.trap : [];
  }

  /** Who serves is to stop: nobody is left to move anything to. */
  abandon(): void {
    for (const stay of [...this.moving.values()]) stay();
  }

  /** @param trap system calls that a generation is asked about */
  isIn(trap: readonly number[]): boolean {
    return this.trap.every((call) => trap.includes(call));
  }

  /**
   * Answers a trapped call, if it is one of ours. Then it is always answered: a call without an answer hangs its
   * thread for ever.
   */
  handle(notify: Fd, notification: Notification): boolean {
    if (!this.trap.includes(notification.call)) return false;
    if (notification.call === this.#shutdown) this.#spare(notify, notification);
    else this.inbox.handle(notify, notification);
    return true;
  }

  /** A baton before this one was killed, and may have held connections of these processes back. */
  letAllIn(processes: () => readonly number[]): void {
    const list = new Watchlist(this.platform, this.listeners, processes);
    try {
      list.find();
      list.letIn();
    } finally {
      list.close();
    }
  }

  /**
   * Some servers shut idle connections down when they are told to stop, which would end the connection for
   * everybody, shutdown(2). What is not theirs any more is spared.
   */
  #spare(notify: Fd, { id, tid, args }: Notification): void {
    const { seccomp } = this.platform;
    let isSpared = false;
    try {
      isSpared = this.#isOnItsWay(tid, Number(BigInt.asIntN(32, args[0] ?? -1n)));
    } finally {
      if (isSpared) seccomp.answer(notify, id, 0);
      else seccomp.continue(notify, id);
    }
  }

  #isOnItsWay(tid: number, descriptor: number): boolean {
    if (this.crossings.isEmpty) return false;
    const target = proc.descriptorTarget(tid, descriptor);
    return target !== null && this.crossings.targets.has(target);
  }
}
