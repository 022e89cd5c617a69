/**
 * System calls by which a candidate meets the serving generation. A signal to a process of that is refused: a failing
 * candidate never touches the serving generation, and many a server tells the copy that it finds by a pid file to
 * replace itself, or to end.
 */
import { C } from "../../platform/libc/constants.ts";
import { MOST_SPARED } from "../../launcher/plan.ts";
import type { Fd } from "../../platform/fd.ts";
import type { Platform } from "../../platform/platform.ts";
import * as proc from "../../platform/process/proc.ts";
import { intArgument, type TrappedCall } from "../../platform/process/seccomp.ts";
import { signalName } from "../../config/values/signals.ts";

/** The generation that serves; null: none does. */
export type Serving = () => { readonly epoch: number; processes(): number[] } | null;

interface CandidateCallsOptions {
  readonly platform: Pick<Platform, "seccomp" | "libc">;
  /** Whether the candidate has yet to pass its gate. */
  readonly isPending: () => boolean;
  readonly serving: Serving;
  readonly onHint: (text: string) => void;
}

export class CandidateCalls {
  /** Whether a signal of the candidate was refused. */
  hasRefused = false;

  constructor(readonly options: CandidateCallsOptions) {}

  /** Processes that a candidate may not signal without baton's leave. Workers that come later are not among them. */
  get spared(): readonly number[] {
    return this.options.serving()?.processes().slice(0, MOST_SPARED) ?? [];
  }

  /** @returns whether the call has its answer */
  answer(notify: Fd, call: TrappedCall): boolean {
    const { platform: { libc: { arch }, seccomp } } = this.options;
    if (call.call !== arch.SYS_kill) return false;
    let isRefused = false;
    try {
      isRefused = this.#isRefused(call);
    } finally {
      // Without an answer its thread hangs forever.
      if (isRefused) seccomp.refuse(notify, call.id, C.ESRCH);
      else seccomp.continue(notify, call.id);
    }
    return true;
  }

  #isRefused(call: TrappedCall): boolean {
    const { tid, args } = call;
    const serving = this.options.isPending() ? this.options.serving() : null;
    // In another PID namespace the number that it signals is another process's.
    if (serving === null || !proc.sharesNamespace(tid, "pid")) return false;
    const target = Math.abs(intArgument(call, 0));
    if (!serving.processes().includes(target)) return false;
    const signal = Number(args[1] ?? 0n);
    const name = signalName(signal) ?? `signal ${signal}`;
    const process = `${proc.processName(target) ?? "?"}, pid ${target}`;
    this.options.onHint(
      `it tried to send ${name} to generation ${serving.epoch} (${process}), which baton refused: ` +
        "use a pid file for each generation, or none",
    );
    this.hasRefused = true;
    return true;
  }
}
