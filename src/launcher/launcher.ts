/**
 * The launcher in baton's own binary: a short-lived child that makes the calls of calls.ts, and so becomes the server.
 * It is for where the kernel does not execute the program of platform/program/ (start.ts), and takes ten times as long.
 */
import { SystemCallError } from "../platform/error.ts";
import { Fd, FIRST_PASSED_DESCRIPTOR } from "../platform/fd.ts";
import { C } from "../platform/libc/constants.ts";
import type { Platform } from "../platform/platform.ts";
import { failureReport } from "../platform/program/call_list.ts";
import { runCalls } from "../platform/program/run_calls.ts";
import { STATUS_SYSTEM } from "./launch_call.ts";

/**
 * Becomes the server, or ends this process with the status that the supervisor says.
 * @param closedFrom the first descriptor that the server does not get
 */
export function launch(platform: Platform, controlNumber: number, closedFrom: number): never {
  const { libc, processes, descriptors, runtime } = platform;
  try {
    // Bun closes descriptors from 4 on at an exec, and ignores SIGPIPE.
    processes.keepOnExec(FIRST_PASSED_DESCRIPTOR, closedFrom - FIRST_PASSED_DESCRIPTOR);
    processes.closeOnExecFrom(closedFrom);
    processes.resetSignals();
    return runCalls(libc, new Fd(libc, controlNumber + 1));
  } catch (error) {
    const errno = error instanceof SystemCallError ? error.errno : C.EINVAL;
    try {
      descriptors.send(new Fd(libc, controlNumber), failureReport(errno));
    } catch {
      // The supervisor is gone; the exit status is all that is left to say.
    }
    return runtime.exit(STATUS_SYSTEM);
  }
}
