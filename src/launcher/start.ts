/** The supervisor's half of a start: spawns the launcher and answers its reports. */
import { Fd, FIRST_PASSED_DESCRIPTOR } from "../platform/fd.ts";
import { jsonBytes } from "../platform/bytes.ts";
import { C } from "../platform/libc/constants.ts";
import { MAX_PASSED_DESCRIPTORS } from "../platform/network/passed_descriptors.ts";
import type { Platform } from "../platform/platform.ts";
import { HelperProcess } from "../platform/process/helper_process.ts";
import { GO, LAUNCH_VERB, type LaunchPlan, parseReport } from "./plan.ts";

/** A launcher that has not booted in this time is not waited for ahead of time. */
const BOOT_MS = 5_000;

interface LaunchOptions {
  readonly plan: LaunchPlan;
  /** Standard input, output and error of the server. */
  readonly stdio: readonly [Fd | number, Fd | number, Fd | number];
  /** Become descriptors 3, 4, ... of the server. */
  readonly members: readonly Fd[];
  /** Becomes the plan's `readyDescriptor`. */
  readonly readyEnd?: Fd | null;
  /** From `prepareLauncher`; null: none was started ahead of time. */
  readonly prepared?: HelperProcess | null;
  /**
   * The launcher waits for our go-ahead, before the server's first instruction.
   * @param notify descriptor of the filter, if there is one
   */
  readonly onPrepared: (notify: Fd | undefined) => void;
  /** The program never ran; the launcher exits with `status`. */
  readonly onFailed: (status: number, message: string) => void;
}

/**
 * A launcher that gets its plan and descriptors when it is needed: its own start takes tens of milliseconds.
 * @param places how many descriptors those will be
 * @param onReady called once: it waits for them, or has failed, which `startLauncher` makes up for
 * @throws {SystemCallError} when it could not be spawned
 */
export function prepareLauncher(
  platform: Platform,
  places: number,
  onReady: () => void,
): HelperProcess {
  using nothing = platform.descriptors.open("/dev/null", C.O_RDWR);
  const descriptors = Array.from({ length: places }, () => nothing);
  const launcher = new HelperProcess(platform, { verb: LAUNCH_VERB, descriptors, plan: null });
  let isWaited = true;
  const report = () => {
    launcher.clearDeadline();
    if (isWaited) onReady();
    isWaited = false;
  };
  launcher.listen({ onMessage: report, onClosed: report });
  launcher.setDeadline(BOOT_MS, report);
  return launcher;
}

/**
 * The launcher, and then the server. Read its messages before its exit is handled, to know why it failed: the kernel
 * reports the two separately. @throws {SystemCallError} when not even the launcher could be spawned
 */
export function startLauncher(platform: Platform, options: LaunchOptions): HelperProcess {
  const { plan, prepared = null } = options;
  const descriptors = [...options.stdio, ...options.members, ...readyEnds(options)];
  const launcher = prepared !== null && passOn(platform, prepared, descriptors, plan)
    ? prepared
    : new HelperProcess(platform, { verb: LAUNCH_VERB, descriptors, plan });
  launcher.listen({
    onMessage: ({ data, fds: [notify] }) => {
      const report = parseReport(data);
      if (report.kind === "failed") return options.onFailed(report.status, report.message);
      if (report.kind === "booted") return;
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

/** @returns false: it has ended, or they are too many for a message */
function passOn(
  { descriptors, libc }: Platform,
  launcher: HelperProcess,
  passed: readonly (Fd | number)[],
  plan: LaunchPlan,
): boolean {
  if (passed.length >= MAX_PASSED_DESCRIPTORS) return false;
  using memory = descriptors.sealedMemfd("baton-plan", jsonBytes(plan));
  try {
    const fds = passed.map((fd) => typeof fd === "number" ? new Fd(libc, fd) : fd);
    launcher.send(new TextEncoder().encode(GO), [...fds, memory]);
    return true;
  } catch {
    launcher.disconnect();
    return false;
  }
}

/** The ready descriptor, and copies of it on every number between the last member and that one. */
function readyEnds({ members, readyEnd, plan }: LaunchOptions): Fd[] {
  if (!readyEnd || plan.readyDescriptor === undefined) return [];
  const count = plan.readyDescriptor + 1 - FIRST_PASSED_DESCRIPTOR - members.length;
  return Array.from({ length: count }, () => readyEnd);
}
