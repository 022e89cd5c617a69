/** The system calls that one generation's filter asks about: each is answered, one after the other. */
import type { Fd } from "../platform/fd.ts";
import type { Platform } from "../platform/platform.ts";
import type { Watch } from "../platform/reactor.ts";
import { decodeNotification, type TrappedCall } from "../platform/process/seccomp.ts";

/** Where calls are awaited, the next one comes as fast as the server's thread goes round. */
const NEXT_MS = 1;
/** Then everything else has its turn. */
const BURST_MS = 10;

export interface TrappedCallsOptions {
  /** Answers it. */
  readonly onCall: (notification: TrappedCall) => void;
  /** All processes under the filter are gone. */
  readonly onGone: () => void;
  /** Calls that pass are let pass by the poll thread: nobody else is told (`Reactor.letPass`). */
  readonly lettingPass: boolean;
  /** Somebody waits for more of these calls. */
  readonly isAwaited: () => boolean;
}

export class TrappedCalls {
  readonly #watch: Watch;

  /** @param notify the filter's descriptor: belongs to this from now on */
  constructor(
    readonly platform: Platform,
    readonly notify: Fd,
    readonly options: TrappedCallsOptions,
  ) {
    const { reactor, seccomp } = platform;
    if (options.lettingPass) seccomp.takesTurns(notify);
    this.#watch = options.lettingPass
      ? reactor.watchCalls(notify, {
        onCall: (call) => this.#answer(decodeNotification(call)),
        onHangup: () => options.onGone(),
      })
      : reactor.watch(notify, ({ readable }) => {
        if (readable) this.#answer(seccomp.receive(notify));
        else options.onGone();
      });
  }

  #answer(notification: TrappedCall | null): void {
    try {
      if (notification !== null) this.options.onCall(notification);
      this.#answerMore();
    } finally {
      // Whatever went wrong with this call, the next one must be answered.
      if (this.notify.isOpen) this.#watch.arm();
    }
  }

  #answerMore(): void {
    const { descriptors, seccomp } = this.platform;
    const untilMs = performance.now() + BURST_MS;
    while (this.options.isAwaited() && performance.now() < untilMs) {
      if (!this.notify.isOpen || !descriptors.hasInput(this.notify, NEXT_MS)) return;
      const notification = seccomp.receive(this.notify);
      if (notification !== null) this.options.onCall(notification);
    }
  }

  close(): void {
    this.#watch.cancel();
    this.notify.close();
  }
}
