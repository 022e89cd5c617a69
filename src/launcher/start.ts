/** The supervisor's half of a start: spawns the launcher and answers its reports. */
import { type Fd, FIRST_PASSED_DESCRIPTOR } from "../platform/fd.ts";
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

/**
 * The launcher, and then the server. Read its messages before its exit is handled, to know why it failed: the kernel
 * reports the two separately. @throws {SystemCallError} when not even the launcher could be spawned
 */
export function startLauncher(platform: Platform, options: LaunchOptions): HelperProcess {
  const launcher = new HelperProcess(platform, {
    verb: LAUNCH_VERB,
    descriptors: [...options.stdio, ...options.members, ...readyEnds(options)],
    plan: options.plan,
  });
  launcher.listen({
    onMessage: ({ data, fds: [notify] }) => {
      const report = parseReport(data);
      if (report.kind === "failed") return options.onFailed(report.status, report.message);
      options.onPrepared(notify);
      try {
        launcher.send(new TextEncoder().encode(GO));
      } catch {
        // The launcher has ended, which its exit reports.
      }
    },
    // The program runs, or the launcher was killed, which its exit reports.
    onClosed: () => {},
  });
  return launcher;
}

/** The ready descriptor, and copies of it on every number between the last member and that one. */
function readyEnds({ members, readyEnd, plan }: LaunchOptions): Fd[] {
  if (!readyEnd || plan.readyDescriptor === undefined) return [];
  const count = plan.readyDescriptor + 1 - FIRST_PASSED_DESCRIPTOR - members.length;
  return Array.from({ length: count }, () => readyEnd);
}
