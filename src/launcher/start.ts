/**
 * The supervisor's half of a start: spawns the launcher, answers its reports, and tells when the
 * server's program is running.
 */
import type { Message } from "../platform/network/passed_descriptors.ts";
import { Fd, FIRST_PASSED_DESCRIPTOR } from "../platform/fd.ts";
import { helperEnvironment } from "../platform/process/hidden_environment.ts";
import type { Platform } from "../platform/platform.ts";
import type { Watch } from "../platform/reactor.ts";
import { GO, LAUNCH_VERB, type LaunchPlan, type LaunchReport, REPORT_LIMIT } from "./plan.ts";

export interface LaunchOptions {
  readonly plan: LaunchPlan;
  /** Standard input, output and error of the server. */
  readonly stdio: readonly [Fd | number, Fd | number, Fd | number];
  /** Become descriptors 3, 4, ... of the server. */
  readonly members: readonly Fd[];
  /** Becomes the plan's `readyDescriptor`. */
  readonly readyEnd?: Fd | null;
  /** The notify descriptor of the filter; called before the server's first instruction. */
  readonly onFilter: (notify: Fd) => void;
  /** It waits for our go-ahead, with or without a filter. */
  readonly onPrepared: () => void;
  /** The server's program is running. */
  readonly onExecuted: () => void;
  /** It never ran; the launcher ends with `status`. */
  readonly onFailed: (status: number, message: string) => void;
}

export class Launch {
  readonly pid: number;
  readonly #control: Fd;
  readonly #watch: Watch;
  #failed = false;

  /** @throws {SystemCallError} when not even the launcher could be spawned */
  constructor(readonly platform: Platform, readonly options: LaunchOptions) {
    const { runtime, sockets, descriptors, processes } = platform;
    const planText = new TextEncoder().encode(JSON.stringify(options.plan));
    using planFile = descriptors.sealedMemfd("baton-plan", planText);
    const [ours, theirs] = sockets.pair();
    const passed = [...options.stdio, ...options.members, ...this.#fill()];
    const control = passed.length;
    const [program, ...prefix] = runtime.selfCommand;
    try {
      this.pid = processes.spawn({
        path: program!,
        argv: ["baton", ...prefix, LAUNCH_VERB, String(control)],
        env: helperEnvironment(runtime),
        descriptors: [...passed, theirs, planFile],
      });
    } catch (error) {
      ours.close();
      throw error;
    } finally {
      theirs.close();
    }
    this.#control = ours;
    descriptors.setNonblocking(ours);
    this.#watch = platform.reactor.watch(ours, () => this.readReports());
  }

  /** What is between the last member and the ready descriptor, and that itself. */
  #fill(): Fd[] {
    const { members, readyEnd, plan } = this.options;
    if (!readyEnd || plan.readyDescriptor === undefined) return [];
    const count = plan.readyDescriptor + 1 - FIRST_PASSED_DESCRIPTOR - members.length;
    return Array.from({ length: count }, () => readyEnd);
  }

  /**
   * Takes the reports that have come. Also called when the launcher has ended: its end and its last
   * report are told by different means, and why it failed must be known first.
   */
  readReports(): void {
    while (this.#control.isOpen) {
      let message: Message | null;
      try {
        message = this.platform.descriptors.receive(this.#control, REPORT_LIMIT);
      } catch {
        // ECONNRESET: it was killed before it read our answer, which is told by its exit.
        return this.#close();
      }
      if (message === null) return this.#watch.arm();
      this.#onMessage(message);
    }
  }

  #onMessage(message: Message): void {
    if (message.data.length === 0) {
      this.#close();
      if (!this.#failed) this.options.onExecuted();
      return;
    }
    const report = JSON.parse(new TextDecoder().decode(message.data)) as LaunchReport;
    if (report.kind === "failed") {
      this.#failed = true;
      this.options.onFailed(report.status, report.message);
    } else {
      const [notify] = message.fds;
      if (notify !== undefined) this.options.onFilter(notify);
      this.options.onPrepared();
      try {
        this.platform.descriptors.send(this.#control, new TextEncoder().encode(GO));
      } catch {
        // The launcher has ended, which is told by its exit.
      }
    }
  }

  #close(): void {
    this.#watch.cancel();
    this.#control.close();
  }
}
