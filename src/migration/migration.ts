/**
 * Moves keep-alive connections from the old process to the new one while they are idle between two requests
 * (--keep-alive). The client notices nothing and the server needs no support for it: baton acts on the sockets.
 *
 *     old process            baton                                           new process
 *       fd 7   <---- 1. duplicates fd 7 to look at it: pidfd_getfd(2)
 *     asleep   <---- 2. pauses it: SO_RCVLOWAT = 2^30, so data does not wake the server
 *       read   <---- 3. releases one request, and samples the socket until it is answered. The answer's end is held back
 *      write   ---->    until it is paused again: the client waits for answers, so the next bytes are a new request
 *                    4. that request stays in the receive queue: a boundary
 *    SIGTERM   <---- 5. keeps a duplicate; the old process may stop
 *    close(7)  ---->    (its shutdown(7) is trapped, and answered without effect)
 *                    6. the old process has it closed: idle until the client sends something
 *                    7. connects once to the listener                   ---->  wakes up
 *                       ... accept(2) is trapped by seccomp             <----  accept(listener)
 *                       SECCOMP_IOCTL_NOTIF_ADDFD: the result is fd 9
 *                    8. all are accepted: resumes them                  ---->  read(9): the request
 *
 * Steps 1 to 5: mover.ts, over connection_table.ts, sample.ts, connection_state.ts (which connection may move),
 * hold_rounds.ts (for how long requests are held), pace.ts and move_decision.ts. Steps 5 to 8: in_flight.ts, in_flight_rules.ts.
 * Step 7: pending_accepts.ts. This class is the part that all generations share. In the same way clients that had waited
 * while nothing served get to a server: waiting_clients.ts.
 */
import type { Fd } from "../platform/fd.ts";
import { passiveOpens } from "../platform/network/proc_net.ts";
import type { Platform } from "../platform/platform.ts";
import * as proc from "../platform/process/proc.ts";
import type { CallRule } from "../platform/process/call_filter.ts";
import { intArgument, type TrappedCall } from "../platform/process/seccomp.ts";
import type { Listeners } from "../steering/listeners.ts";
import {
  ConnectionRate,
  type KeepAliveMode,
  shouldDeliver,
  shouldTrapAccept,
} from "./connection_rate.ts";
import { InFlightMoves, type MoveCounts } from "./in_flight.ts";
import { PendingAccepts } from "./pending_accepts.ts";
import { WaitingClients } from "./waiting_clients.ts";

export class Migration {
  readonly pendingAccepts: PendingAccepts;
  readonly inFlight: InFlightMoves;
  readonly waitingClients: WaitingClients;
  /** System calls to trap in a generation that connections may move to, or from. */
  readonly trappedCalls: readonly number[];
  /** System calls to trap in a generation to which only waiting clients are delivered. */
  readonly acceptCalls: readonly number[];
  /** Epochs of generations whose connections are to be moved but are not in flight yet, and what cancels the move. */
  readonly preparing = new Map<number, () => void>();
  readonly #rate: ConnectionRate;
  readonly #shutdown: number;

  /**
   * @param onEmpty the last connection is no longer in flight: outcomes of all so far
   * @param onLost a client that had waited while nothing served was not accepted in time
   * @param letsPass with --survive false: the journal has each of these calls before it is answered
   */
  constructor(
    readonly platform: Platform,
    readonly listeners: Listeners,
    readonly mode: KeepAliveMode,
    onEmpty: (counts: MoveCounts) => void,
    onLost: WaitingClients["onLost"],
    readonly letsPass = true,
  ) {
    const { SYS_accept, SYS_accept4, SYS_shutdown } = platform.libc.arch;
    this.#shutdown = SYS_shutdown;
    this.#rate = new ConnectionRate(passiveOpens, platform.clock);
    this.acceptCalls = [SYS_accept, SYS_accept4];
    this.trappedCalls = [...this.acceptCalls, SYS_shutdown];
    const onChange = () => this.#updatePassedCalls();
    this.pendingAccepts = new PendingAccepts(platform, listeners, onChange);
    this.inFlight = new InFlightMoves(platform, this.pendingAccepts, onChange, onEmpty);
    this.waitingClients = new WaitingClients(platform, this.pendingAccepts, onLost);
    this.#updatePassedCalls();
  }

  /** Calls that need no decision now are continued by the reactor's thread at once. */
  #updatePassedCalls(): void {
    if (!this.letsPass) return;
    this.platform.reactor.letPass([
      ...this.pendingAccepts.isEmpty ? this.acceptCalls : [],
      ...this.inFlight.isEmpty ? [this.#shutdown] : [],
    ]);
  }

  /**
   * System calls to trap in the generation that starts now. With `auto`, none if they cost too much, unless it may
   * receive the connections of a generation that is already draining.
   */
  callsToTrap(): readonly number[] {
    if (this.preparing.size > 0 || !this.inFlight.isEmpty) return this.trappedCalls;
    return shouldTrapAccept(this.mode, this.#rate.measure()) ? this.trappedCalls : [];
  }

  /**
   * System calls to trap in a generation to which waiting clients are to be delivered; none where that would cost too
   * much for long.
   */
  callsToDeliver(): readonly number[] {
    return shouldDeliver(this.#rate.measure()) ? this.acceptCalls : [];
  }

  /** The serving generation is about to stop, so there is none to move connections to. */
  cancelAll(): void {
    for (const cancel of [...this.preparing.values()]) cancel();
  }

  /** Whether connections can be moved to a server under this filter, and away. */
  isTrappedBy(rules: readonly CallRule[]): boolean {
    return this.trappedCalls.every((call) => rules.includes(call));
  }

  /** Answers one of `trappedCalls`, in every case. */
  handle(notify: Fd, notification: TrappedCall): void {
    if (notification.call === this.#shutdown) this.#handleShutdown(notify, notification);
    else this.pendingAccepts.handle(notify, notification);
  }

  /**
   * Some servers call shutdown(2) on idle connections when they stop, which would end a connection for the new server
   * too. On connections in flight the call succeeds without effect.
   */
  #handleShutdown(notify: Fd, call: TrappedCall): void {
    const { id, tid } = call;
    const { seccomp } = this.platform;
    let isProtected = false;
    try {
      const target = this.inFlight.isEmpty
        ? null
        : proc.descriptorTarget(tid, intArgument(call, 0));
      isProtected = target !== null && this.inFlight.protectedTargets.has(target);
    } finally {
      if (isProtected) seccomp.answer(notify, id, 0);
      else seccomp.continue(notify, id);
    }
  }
}
