/**
 * The supervisor's half of a start: spawns the launcher, answers its reports, and passes on that the
 * server's program could not be executed.
 */
import { type Fd, FIRST_PASSED_DESCRIPTOR } from "../platform/fd.ts";
import type { Message } from "../platform/network/passed_descriptors.ts";
import type { Platform } from "../platform/platform.ts";
import { HelperProcess } from "../platform/process/helper_process.ts";
import { GO, LAUNCH_VERB, type LaunchPlan, parseReport } from "./plan.ts";

interface LaunchOptions {
  readonly plan: LaunchPlan;
  /** Standard input, output and error of the server. */
  readonly stdio: readonly [Fd | number, Fd | number, Fd | number];
  /** Become descriptors 3, 4, ... of the server. */
  readonly members: readonly Fd[];
  /** Becomes the plan's `readyDescriptor`. */
  readonly readyEnd?: Fd | null;
  /**
   * The launcher waits for our go-ahead, before the server's first instruction.
   * @param notify descriptor of the filter, if there is one
   */
  readonly onPrepared: (notify: Fd | undefined) => void;
  /** The program never ran; the launcher exits with `status`. */
  readonly onFailed: (status: number, message: string) => void;
}

export class Launch {
  readonly #launcher: HelperProcess;

  /** @throws {SystemCallError} when not even the launcher could be spawned */
  constructor(readonly platform: Platform, readonly options: LaunchOptions) {
    this.#launcher = new HelperProcess(platform, {
      verb: LAUNCH_VERB,
      descriptors: [...options.stdio, ...options.members, ...this.#fill()],
      plan: options.plan,
    });
    this.#launcher.listen({
      onMessage: (message) => this.#onReport(message),
      // The program runs, or the launcher was killed, which its exit reports.
      onClosed: () => {},
    });
  }

  get pid(): number {
    return this.#launcher.pid;
  }

  /** The ready descriptor, and copies of it on every number between the last member and that one. */
  #fill(): Fd[] {
    const { members, readyEnd, plan } = this.options;
    if (!readyEnd || plan.readyDescriptor === undefined) return [];
    const count = plan.readyDescriptor + 1 - FIRST_PASSED_DESCRIPTOR - members.length;
    return Array.from({ length: count }, () => readyEnd);
  }

  /** Why the launcher failed must be known before its exit is handled: the kernel reports the two separately. */
  readReports(): void {
    this.#launcher.readMessages();
  }

  #onReport({ data, fds: [notify] }: Message): void {
    const report = parseReport(data);
    if (report.kind === "failed") return this.options.onFailed(report.status, report.message);
    this.options.onPrepared(notify);
    try {
      this.#launcher.send(new TextEncoder().encode(GO));
    } catch {
      // The launcher has ended, which its exit reports.
    }
  }
}
