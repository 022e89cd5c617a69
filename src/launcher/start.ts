/**
 * The supervisor's half of a start: spawns the launcher and answers its reports.
 *
 * The launcher is a `HelperProcess` with the members on descriptors 3, 4, ... With a `readyDescriptor`, copies of that
 * one fill what is between the last member and it. It is a program of a few instructions (platform/program/) where the
 * kernel executes that, else baton's own binary (launcher.ts). After `prepared` it waits for the go-ahead, and exits if
 * the supervisor does. The control socket is close-on-exec: when it closes without a failure, the server's program runs.
 */
import { SystemCallError } from "../platform/error.ts";
import { type Fd, FIRST_PASSED_DESCRIPTOR } from "../platform/fd.ts";
import type { Platform } from "../platform/platform.ts";
import { keepsCapability } from "../platform/process/capabilities.ts";
import { canCloseRange } from "../platform/process/close_on_exec.ts";
import { ROOT_UID } from "../platform/process/processes.ts";
import { HelperProcess } from "../platform/process/helper_process.ts";
import { hasCapability } from "../platform/process/proc.ts";
import { layOut, readFailure, STATUS_SIZE } from "../platform/program/call_list.ts";
import { programFile } from "../platform/program/machine_code.ts";
import { GO_SIZE, launchCalls, type LaunchFacts, waitsForGo } from "./calls.ts";
import { type LaunchCall, STATUS_SYSTEM } from "./launch_call.ts";
import { LAUNCH_VERB, type LaunchFailure, type LaunchPlan } from "./plan.ts";
import { resolveProgram } from "./resolve.ts";

const CAP_SYS_ADMIN = 21;
/** Descriptors are moved above the numbers that a launcher is given. */
const LIFTED = 64;

interface LaunchTarget {
  readonly plan: LaunchPlan;
  /** Standard input, output and error of the server. */
  readonly stdio: readonly [Fd | number, Fd | number, Fd | number];
  /** Sockets that become descriptors 3, 4, ... of the server. */
  readonly members: readonly Fd[];
  /** What becomes the plan's `readyDescriptor`. */
  readonly readyEnd?: Fd | null;
  /** What makes the calls. @default "program", or "binary" where the kernel does not execute that */
  readonly way?: "program" | "binary";
}

interface LaunchOptions extends LaunchTarget {
  /**
   * The launcher waits for our go-ahead, before the server's first instruction.
   * @param notify descriptor of the filter, if there is one
   */
  readonly onPrepared: (notify: Fd | undefined) => void;
  /** Called when the program runs, unless it fails. */
  readonly onReleased?: () => void;
  /** The program never ran; the launcher exits with `status`. */
  readonly onFailed: (status: number, message: string) => void;
}

/**
 * Starts the launcher, which becomes the server. Read its messages before its exit is handled, to know why it failed:
 * the kernel reports the two separately.
 * @throws {SystemCallError} when not even the launcher could be spawned
 */
export function startLauncher(platform: Platform, options: LaunchOptions): HelperProcess {
  const { launcher, failureIn } = spawnLauncher(platform, options);
  launcher.listen({
    onMessage: ({ data, fds: [notify] }) => {
      const failure = failureIn(data);
      if (failure !== null) return options.onFailed(failure.status, failure.message);
      options.onPrepared(notify);
      sendGo(launcher);
      options.onReleased?.();
    },
    // The program runs, or the launcher was killed, which its exit reports.
    onClosed: () => {},
  });
  const { plan } = options;
  if (!waitsForGo(plan)) {
    if (plan.members > 0) sendGo(launcher);
    options.onReleased?.();
  }
  return launcher;
}

/**
 * Spawns the launcher, and leaves it to the caller to read its messages.
 * @returns also what reads a message: why the launch has failed; null: it is prepared
 */
export function spawnLauncher(
  platform: Platform,
  options: LaunchTarget,
): { launcher: HelperProcess; failureIn: (data: Uint8Array) => LaunchFailure | null } {
  const { stdio, members, plan } = options;
  const descriptors = [...stdio, ...members, ...readyEnds(options)];
  const calls = launchCalls(plan, factsOf(platform, plan, descriptors.length));
  const launcher = spawn(platform, { ...options, descriptors, calls });
  return {
    launcher,
    failureIn: (data) => {
      const failure = explain(calls, data);
      if (failure !== null) sendStatus(launcher, failure.status);
      return failure;
    },
  };
}

function spawn(
  platform: Platform,
  { plan, way, descriptors, calls }: LaunchTarget & {
    readonly descriptors: readonly (Fd | number)[];
    readonly calls: readonly LaunchCall[];
  },
): HelperProcess {
  const { libc, runtime } = platform;
  const control = descriptors.length;
  const bytes = programFile(runtime.arch, layOut(libc.arch, calls, control));
  using file = platform.descriptors.sealedMemfd("baton-launcher", bytes, "program");
  if (way !== "binary" && canCloseRange(libc) && canBePlain(runtime.pid)) {
    using lifted = platform.descriptors.duplicate(file, Math.max(LIFTED, control + 1));
    const path = `/proc/self/fd/${lifted.number}`;
    const program = { path, argv: ["baton", LAUNCH_VERB], env: {}, directory: null };
    try {
      return new HelperProcess(platform, { program, descriptors });
    } catch (error) {
      // vm.memfd_noexec, SELinux, fapolicyd.
      if (!(error instanceof SystemCallError) || way !== undefined) throw error;
    }
  }
  const args = [String(FIRST_PASSED_DESCRIPTOR + plan.members)];
  return new HelperProcess(platform, { verb: LAUNCH_VERB, args, descriptors, further: [file] });
}

/**
 * Whether the plain program can be used: a capability that only baton's file has would not outlive its exec, and a
 * filter without it takes sudo(8) away.
 */
function canBePlain(pid: number): boolean {
  return !hasCapability(CAP_SYS_ADMIN) || keepsCapability(CAP_SYS_ADMIN, pid);
}

function factsOf(platform: Platform, plan: LaunchPlan, control: number): LaunchFacts {
  const { files, processes, libc: { arch } } = platform;
  return {
    arch,
    control,
    directory: files.directory(),
    hardFileLimit: processes.fileLimit()[1],
    isAlready: plan.account !== null && plan.account.uid !== ROOT_UID &&
      plan.account.uid === processes.userId() && plan.account.gid === processes.groupId(),
    isPrivileged: hasCapability(CAP_SYS_ADMIN),
    program: plan.program ?? findProgram(platform, plan),
  };
}

function findProgram({ files }: Platform, { argv, env, cwd }: LaunchPlan): LaunchFacts["program"] {
  let directory: string;
  try {
    const here = files.directory();
    // The path of the directory may lead through one that may not be entered: sudo -u app.
    directory = cwd === null || cwd === here ? here : files.realPath(cwd);
  } catch (error) {
    // The launcher says so, unless there is one by then.
    if (!(error instanceof SystemCallError)) throw error;
    return { status: STATUS_SYSTEM, message: error.message };
  }
  const program = resolveProgram(argv[0] ?? "", env["PATH"], directory, files);
  return program.kind === "failed" ? program : { path: program.path, isHeld: false };
}

function explain(calls: readonly LaunchCall[], data: Uint8Array): LaunchFailure | null {
  const failure = readFailure(data);
  if (failure === null) return null;
  const { call, result } = failure;
  return calls[call]?.explain(result) ?? {
    status: STATUS_SYSTEM,
    message: new SystemCallError("launch", -result, "with baton's own binary").message,
  };
}

function sendGo(launcher: HelperProcess): void {
  const go = new Uint8Array(GO_SIZE);
  new TextEncoder().encodeInto(String(launcher.pid), go);
  sendIfThere(launcher, go);
}

function sendStatus(launcher: HelperProcess, status: number): void {
  const bytes = new Uint8Array(STATUS_SIZE);
  new DataView(bytes.buffer).setInt32(0, status, true);
  sendIfThere(launcher, bytes);
}

function sendIfThere(launcher: HelperProcess, data: Uint8Array): void {
  try {
    launcher.send(data);
  } catch {
    // The launcher has ended, which its exit reports.
  }
}

/** The ready descriptor, and copies of it on every number between the last member and that one. */
function readyEnds({ members, readyEnd, plan }: LaunchTarget): Fd[] {
  if (!readyEnd || plan.readyDescriptor === undefined) return [];
  const count = plan.readyDescriptor + 1 - FIRST_PASSED_DESCRIPTOR - members.length;
  return Array.from({ length: count }, () => readyEnd);
}
