/**
 * One command of the user's (`sh -c`), from its start to its end, with a time-out.
 *
 * Guarantees: it is told once how it ended; the event loop is never blocked; it has a process group of
 * its own, and whatever is left of that when its shell has ended, or its time is over, is killed, as systemd does
 * with what ExecStartPre= leaves. It ends with baton, however baton ends. What it prints is forwarded
 * and remembered. What follows from its end is the caller's business.
 */
import { C } from "../platform/libc/constants.ts";
import type { Fd } from "../platform/fd.ts";
import type { Platform } from "../platform/platform.ts";
import * as proc from "../platform/process/proc.ts";
import type { ExitStatus } from "../platform/process/processes.ts";
import type { LaunchPlan } from "../launcher/plan.ts";
import { Launch } from "../launcher/start.ts";
import { errorText } from "../platform/error.ts";

/** What a command prints goes here. */
export interface CommandOutput {
  /** @returns what the command gets as descriptors 1 and 2; closed after the start */
  open(): [Fd, Fd];
  /** Reads what is left, without waiting. */
  drain(): void;
  close(): void;
}

export type CommandEnd =
  | { readonly kind: "exited"; readonly status: ExitStatus }
  | { readonly kind: "timed_out" }
  /** The shell could not be started. */
  | { readonly kind: "not_started"; readonly message: string }
  /** By `kill()`. */
  | { readonly kind: "killed" };

interface CommandOptions<Output extends CommandOutput> {
  readonly plan: LaunchPlan;
  readonly timeoutMs: number;
  readonly output: Output;
  /** Reaps child `pid`, and tells how it ended. */
  readonly follow: (pid: number, onExit: (status: ExitStatus) => void) => void;
  readonly onEnd: (end: CommandEnd, output: Output) => void;
}

export class Command<Output extends CommandOutput = CommandOutput> {
  #launch: Launch | null = null;
  #timer: ReturnType<typeof setTimeout> | null = null;
  /** Why it is killed, or could not be started: wins over the status that it ends with. */
  #cause: CommandEnd | null = null;
  #ended = false;

  constructor(readonly platform: Platform, readonly options: CommandOptions<Output>) {
    try {
      this.#start();
    } catch (error) {
      const message = errorText(error);
      this.#end({ kind: "not_started", message });
    }
  }

  #start(): void {
    const { plan, output, timeoutMs, follow } = this.options;
    const { descriptors } = this.platform;
    using silence = descriptors.open("/dev/null", C.O_RDWR);
    const [out, error] = output.open();
    try {
      this.#launch = new Launch(this.platform, {
        plan,
        stdio: [silence, out, error],
        members: [],
        onFilter: (notify) => notify.close(),
        onPrepared: () => {},
        onFailed: (_, message) => this.#cause ??= { kind: "not_started", message },
      });
    } finally {
      out.close();
      error.close();
    }
    const { pid } = this.#launch;
    follow(pid, (status) => this.#onExit(pid, status));
    this.#timer = setTimeout(() => this.#kill({ kind: "timed_out" }), timeoutMs);
  }

  /** Ends it at once; its end is told when nothing is left of it. */
  kill(): void {
    this.#kill({ kind: "killed" });
  }

  #kill(cause: CommandEnd): void {
    if (this.#ended || this.#launch === null) return;
    this.#cause ??= cause;
    // Not reaped yet: the number is still its group's.
    this.platform.processes.signal(-this.#launch.pid, C.SIGKILL);
  }

  #onExit(pid: number, status: ExitStatus): void {
    this.#launch?.readReports();
    this.#killRest(pid);
    this.#end(this.#cause ?? { kind: "exited", status });
  }

  /** The leader is reaped, so its number is free, unless somebody is still in its group. */
  #killRest(group: number): void {
    const { processes, runtime } = this.platform;
    const isLeft = proc.childrenOf(runtime.pid).some((child) =>
      proc.processStat(child)?.group === group
    );
    if (isLeft) processes.signal(-group, C.SIGKILL);
  }

  #end(end: CommandEnd): void {
    if (this.#ended) return;
    this.#ended = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    const { output, onEnd } = this.options;
    output.drain();
    output.close();
    onEnd(end, output);
  }
}
