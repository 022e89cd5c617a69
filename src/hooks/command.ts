/**
 * One command of the user's (`sh -c`), with a time-out. It has its own process group, and what is left of that when its
 * shell has exited, or its time is over, is killed, as systemd does with what ExecStartPre= leaves. It ends with baton,
 * however baton ends.
 */
import { formatDuration } from "../config/values/duration.ts";
import type { LaunchPlan } from "../launcher/plan.ts";
import { startLauncher } from "../launcher/start.ts";
import type { HelperProcess } from "../platform/process/helper_process.ts";
import type { CandidateOutput } from "../output/candidate_output.ts";
import type { Timer } from "../platform/clock.ts";
import { errorText } from "../platform/error.ts";
import { C } from "../platform/libc/constants.ts";
import type { Platform } from "../platform/platform.ts";
import * as proc from "../platform/process/proc.ts";
import type { ExitStatus } from "../platform/process/wait_status.ts";
import { describeExit } from "../report/exit_report.ts";

const MAX_SHOWN = 100;

export type CommandEnd =
  | { readonly kind: "exited"; readonly status: ExitStatus }
  | { readonly kind: "timed_out" }
  | { readonly kind: "not_started"; readonly message: string }
  | { readonly kind: "killed" };

interface CommandOptions {
  /** Makes the plan, when the command starts. What it throws, the command ends with. */
  readonly plan: () => LaunchPlan;
  /** What it reads on standard input. @default nothing */
  readonly input?: string;
  readonly timeoutMs: number;
  readonly output: CandidateOutput;
  /** Reaps child `pid`, and reports how it exited. */
  readonly follow: (pid: number, onExit: (status: ExitStatus) => void) => void;
  /** Called once, perhaps before the constructor returns. */
  readonly onEnd: (end: CommandEnd) => void;
}

export class Command {
  #launch: HelperProcess | null = null;
  #timer: Timer | null = null;
  /** Why the command was killed, or could not be started: wins over its exit status. */
  #cause: CommandEnd | null = null;
  #ended = false;

  constructor(readonly platform: Platform, readonly options: CommandOptions) {
    try {
      this.#start();
    } catch (error) {
      this.#reportEnd({ kind: "not_started", message: errorText(error) });
    }
  }

  #start(): void {
    const { output, timeoutMs, follow } = this.options;
    const { descriptors, clock } = this.platform;
    const plan = this.options.plan();
    const { input } = this.options;
    using stdin = input === undefined
      ? descriptors.open("/dev/null", C.O_RDWR)
      : descriptors.sealedMemfd("baton-input", new TextEncoder().encode(input));
    const ends = output.open();
    try {
      this.#launch = startLauncher(this.platform, {
        plan,
        stdio: [stdin, ...ends],
        members: [],
        onPrepared: () => {},
        onFailed: (_, message) => this.#cause ??= { kind: "not_started", message },
      });
    } finally {
      for (const end of ends) if (typeof end !== "number") end.close();
    }
    const { pid } = this.#launch;
    follow(pid, (status) => this.#onExit(pid, status));
    this.#timer = clock.after(timeoutMs, () => this.kill({ kind: "timed_out" }));
  }

  /** Kills the command; its end is reported when nothing is left of it. */
  kill(cause: CommandEnd = { kind: "killed" }): void {
    if (this.#ended || this.#launch === null) return;
    this.#cause ??= cause;
    // Not reaped yet: the number is still its group's.
    this.platform.processes.signal(-this.#launch.pid, C.SIGKILL);
  }

  #onExit(pid: number, status: ExitStatus): void {
    this.#launch?.readMessages();
    this.#killRest(pid);
    this.#reportEnd(this.#cause ?? { kind: "exited", status });
  }

  /** The leader is reaped, so its number is free, unless a process is still in its group. */
  #killRest(group: number): void {
    const { processes, runtime } = this.platform;
    const isLeft = proc.childrenOf(runtime.pid).some((child) =>
      proc.processStat(child)?.group === group
    );
    if (isLeft) processes.signal(-group, C.SIGKILL);
  }

  #reportEnd(end: CommandEnd): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#timer?.cancel();
    const { output, onEnd } = this.options;
    output.drain();
    output.close();
    onEnd(end);
  }
}

/** @returns one line: `pre-flight "nginx -t" failed: exit status 1` */
export function describeFailure(
  name: string,
  command: string,
  end: CommandEnd,
  timeoutMs: number,
): string {
  // Scripts in configuration files have several lines.
  const line = command.trim().replaceAll(/\s*\n\s*/g, "; ");
  const shown = line.length > MAX_SHOWN ? `${line.slice(0, MAX_SHOWN - 3)}...` : line;
  return `${name} "${shown}" failed: ${describeEnd(end, timeoutMs)}`;
}

function describeEnd(end: CommandEnd, timeoutMs: number): string {
  switch (end.kind) {
    case "exited":
      return describeExit(end.status);
    case "timed_out":
      return `not over within ${formatDuration(timeoutMs)} (--hook-timeout)`;
    case "not_started":
      return end.message;
    case "killed":
      return "it was killed";
  }
}
