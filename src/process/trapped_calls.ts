/** The system calls that one generation's seccomp filter reports: each is answered, one after the other. */
import { orNull } from "../platform/error.ts";
import type { Fd } from "../platform/fd.ts";
import type { Platform } from "../platform/platform.ts";
import type { CallsWatch, Watch } from "../platform/reactor.ts";
import { decodeNotification, type TrappedCall } from "../platform/process/seccomp.ts";

/** How long to wait for the next call: a server's accept loop comes back this fast. */
const NEXT_CALL_MS = 4;
/** Longest run of calls before the event loop gets its turn. */
const BURST_MS = 10;

export interface TrappedCallsOptions {
  readonly onCall: (notification: TrappedCall) => void;
  /** All processes under the filter have exited. */
  readonly onHangup: () => void;
  /** Whether the poll thread may answer calls of `Reactor.letPass` by itself. */
  readonly lettingPass: boolean;
  /** Whether more of these calls are needed now: a moved connection waits for an accept. */
  readonly isAwaited: () => boolean;
}

export class TrappedCalls {
  readonly #watch: Watch;
  /** Calls that the poll thread continues; null: every call comes to the main thread. */
  readonly #passing: Pick<CallsWatch, "letPass" | "release"> | null;
  #isLeft = false;

  /** @param notify the filter's descriptor, which this now owns */
  constructor(
    readonly platform: Platform,
    readonly notify: Fd,
    readonly options: TrappedCallsOptions,
  ) {
    const { reactor, seccomp } = platform;
    if (options.lettingPass) seccomp.takesTurns(notify);
    const ofCalls = !options.lettingPass ? null : reactor.watchCalls(notify, {
      onCall: (call) => this.#answer(decodeNotification(call)),
      onHangup: () => options.onHangup(),
    });
    this.#passing = ofCalls;
    this.#watch = ofCalls ??
      reactor.watch(notify, ({ readable }) => {
        if (readable) this.#answer(seccomp.receive(notify));
        else options.onHangup();
      });
  }

  #answer(first: TrappedCall | null): void {
    const { clock, descriptors, seccomp } = this.platform;
    const { isAwaited } = this.options;
    if (this.#isLeft) return void (first !== null && seccomp.continue(this.notify, first.id));
    try {
      if (first !== null) this.#decide(first);
      const untilMs = clock.now() + BURST_MS;
      while (isAwaited() && clock.now() < untilMs) {
        if (!this.notify.isOpen || !descriptors.hasInput(this.notify, NEXT_CALL_MS)) break;
        const next = seccomp.receive(this.notify);
        if (next !== null) this.#decide(next);
      }
    } finally {
      // The next call must be answered, whatever went wrong with this one.
      if (this.notify.isOpen) this.#watch.arm();
    }
  }

  /** Decides on a call; whatever goes wrong, its thread does not wait forever. */
  #decide(call: TrappedCall): void {
    const { seccomp } = this.platform;
    try {
      this.options.onCall(call);
    } catch (error) {
      // `continue` fails if the call has its answer already.
      if (this.notify.isOpen) orNull(() => seccomp.continue(this.notify, call.id));
      throw error;
    }
  }

  /** From now on these need no decision here, in this generation. */
  letPass(calls: readonly number[]): void {
    this.#passing?.letPass(calls);
  }

  /**
   * No decision is made here any more: calls that were taken already continue. A process that gets the filter's descriptor
   * before would never see them, and with that descriptor open the kernel would let their threads wait forever.
   * @param onQuiet the next call may be taken by another process; `notify` is the caller's
   */
  leave(onQuiet: () => void): void {
    this.#isLeft = true;
    if (this.#passing !== null) return this.#passing.release(onQuiet);
    this.#watch.cancel();
    onQuiet();
  }

  close(): void {
    this.#watch.cancel();
    this.notify.close();
  }
}
