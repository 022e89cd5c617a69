/**
 * The launcher: baton's own binary as a short-lived child that prepares itself and then becomes the
 * server by execve, so that the server has the launcher's pid.
 *
 * Guarantees to the server: its own process group and default signals (done by posix_spawn and once
 * more here, because the runtime ignores SIGPIPE), exactly descriptors 0-2 and the members, its
 * LISTEN_PID, and the file limit that baton was started with. Guarantees to the supervisor: a report
 * before anything can fail unseen, and no half-started server: any failure ends the launcher.
 */
import { readFileSync } from "node:fs";
import { errorText, SystemCallError } from "../platform/error.ts";
import { Fd, FIRST_PASSED_DESCRIPTOR } from "../platform/fd.ts";
import { C } from "../platform/libc/constants.ts";
import type { Platform } from "../platform/platform.ts";
import { hasCapability } from "../platform/process/proc.ts";
import { HELPER_MESSAGE_LIMIT } from "../platform/process/helper_process.ts";
import { GO, type LaunchPlan, type LaunchReport, parsePlan } from "./plan.ts";
import { resolveProgram, STATUS_NOT_EXECUTABLE, STATUS_NOT_FOUND } from "./resolve.ts";

/** The launcher failed for a reason that is not the program's fault (exit_status.ts). */
const STATUS_SYSTEM = 71;
/** Of a failure, in characters; each takes up to six bytes of a report. */
const LONGEST_MESSAGE = HELPER_MESSAGE_LIMIT / 6 - 100;
const CAP_SYS_ADMIN = 21;
const SHELL = "/bin/sh";

type Program = NonNullable<LaunchPlan["program"]>;

/** A failure with the exit status that stands for it. */
class LaunchError extends Error {
  constructor(readonly status: number, message: string) {
    super(message);
  }
}

/** Becomes the server, or ends this process with the status that was reported. */
export function launch(platform: Platform, controlDescriptor: number): never {
  const control = new Fd(platform.libc, controlDescriptor);
  try {
    const readPlan = () =>
      parsePlan(readFileSync(`/proc/self/fd/${controlDescriptor + 1}`, "utf8"));
    let plan = readPlan();
    if (plan === null) {
      receiveDescriptors(platform, control);
      plan = readPlan();
    }
    if (plan === null) throw new Error("Cannot launch: the launcher got no plan");
    prepareAndExec(platform, control, plan);
  } catch (error) {
    const status = error instanceof LaunchError ? error.status : STATUS_SYSTEM;
    const message = errorText(error).slice(0, LONGEST_MESSAGE);
    try {
      platform.descriptors.send(control, encodeReport({ kind: "failed", status, message }));
    } catch {
      // The supervisor is gone; the exit status is all that is left to say.
    }
    platform.runtime.exit(status);
  }
}

/** They come later than this process, which has kept their places: those below the control descriptor, and the plan's. */
function receiveDescriptors(
  { libc, runtime, descriptors, processes }: Platform,
  control: Fd,
): void {
  descriptors.send(control, encodeReport({ kind: "booted" }));
  const message = descriptors.receive(control, HELPER_MESSAGE_LIMIT);
  // The supervisor is gone, or needs no server any more.
  if (message === null || message.data.length === 0) return runtime.exit(STATUS_SYSTEM);
  const count = control.number;
  message.fds.forEach((fd, i) => {
    descriptors.takeOver(new Fd(libc, i < count ? i : count + 1), fd);
  });
  processes.keepOnExec(0, FIRST_PASSED_DESCRIPTOR);
}

function prepareAndExec(platform: Platform, control: Fd, plan: LaunchPlan): never {
  const { processes, files } = platform;
  if (plan.parentDeathSignal !== 0) {
    processes.signalOnParentDeath(plan.parentDeathSignal);
    // The parent may have died before the request was made: then no signal will come.
    if (processes.parentPid() !== plan.parentPid) platform.runtime.exit(STATUS_SYSTEM);
  }
  // Already there: perhaps in a directory that its user may not enter a second time.
  if (plan.cwd !== null && plan.cwd !== files.directory()) changeDirectory(platform, plan.cwd);
  // From the kernel: Bun keeps naming the directory that the process was started in.
  const program = plan.program ?? findProgram(plan, files);
  const env: Record<string, string> = { ...plan.env };
  if (plan.members > 0) env["LISTEN_PID"] = String(platform.runtime.pid);
  if (plan.fileLimit !== null) processes.setFileLimit(plan.fileLimit);
  if (plan.trap.length > 0) {
    using notify = installFilter(platform, plan);
    awaitGo(platform, control, [notify]);
  } else if (plan.waits) {
    awaitGo(platform, control, []);
  }
  processes.keepOnExec(FIRST_PASSED_DESCRIPTOR, plan.members);
  processes.closeOnExecFrom(FIRST_PASSED_DESCRIPTOR + plan.members);
  if (plan.readyDescriptor !== undefined) processes.keepOnExec(plan.readyDescriptor, 1);
  processes.resetSignals();
  execute(platform, program, plan.argv, env);
}

function findProgram({ argv, env }: LaunchPlan, files: Platform["files"]): Program {
  const program = resolveProgram(argv[0] ?? "", env["PATH"], files.directory(), files);
  if (program.kind === "failed") throw new LaunchError(program.status, program.message);
  return { path: program.path, isHeld: false };
}

function changeDirectory(platform: Platform, cwd: string): void {
  try {
    platform.processes.changeDirectory(cwd);
  } catch (error) {
    if (!(error instanceof SystemCallError)) throw error;
    throw new LaunchError(
      STATUS_NOT_EXECUTABLE,
      `Cannot enter working directory "${cwd}": ${error.code}`,
    );
  }
}

function installFilter(platform: Platform, { trap, spared }: LaunchPlan): Fd {
  // With CAP_SYS_ADMIN no_new_privs stays unset, so that setuid programs (sudo -u) still work.
  if (!hasCapability(CAP_SYS_ADMIN)) platform.processes.setNoNewPrivileges();
  try {
    return platform.seccomp.installFilter(trap, spared);
  } catch (error) {
    if (!(error instanceof SystemCallError)) throw error;
    const why = error.errno === C.EBUSY
      ? "another seccomp listener is above baton (a container runtime?)"
      : error.message;
    throw new LaunchError(
      STATUS_SYSTEM,
      `Cannot watch the server's sockets: ${why}: run "baton doctor", or use --listen`,
    );
  }
}

/** Exits when the supervisor is gone: a server without one would be unmanaged. */
function awaitGo(platform: Platform, control: Fd, fds: readonly Fd[]): void {
  const { descriptors } = platform;
  descriptors.send(control, encodeReport({ kind: "prepared" }), fds);
  const answer = descriptors.receive(control, HELPER_MESSAGE_LIMIT);
  if (answer === null || new TextDecoder().decode(answer.data) !== GO) {
    platform.runtime.exit(STATUS_SYSTEM);
  }
}

function execute(
  platform: Platform,
  { path, isHeld }: Program,
  argv: readonly string[],
  env: Record<string, string>,
): never {
  try {
    if (isHeld) executeHeld(platform, path, argv, env);
    platform.processes.exec(path, argv, env);
  } catch (error) {
    if (!(error instanceof SystemCallError)) throw error;
    if (error.errno === C.ENOEXEC) {
      // A script without "#!": execvp(3) and every shell run it with sh.
      platform.processes.exec(SHELL, [SHELL, path, ...argv.slice(1)], env);
    }
    if (error.errno === C.ENOENT) {
      throw new LaunchError(
        STATUS_NOT_FOUND,
        `Cannot execute "${path}": the interpreter in its first line, or its loader, is missing`,
      );
    }
    throw new LaunchError(STATUS_NOT_EXECUTABLE, `Cannot execute "${path}": ${error.code}`);
  }
}

/** Returns for a script: its interpreter needs a path. */
function executeHeld(
  { descriptors, processes }: Platform,
  path: string,
  argv: readonly string[],
  env: Record<string, string>,
): void {
  using file = descriptors.open(path, C.O_PATH);
  try {
    // By descriptor the process is named as the file is since Linux 6.14; by path always after the number.
    processes.exec(file, argv, env);
  } catch (error) {
    if (!(error instanceof SystemCallError) || error.errno !== C.ENOENT) throw error;
  }
}

function encodeReport(report: LaunchReport): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(report));
}
