/**
 * The stage: leaves the mount, network, IPC, UTS and PID namespaces of the machine, starts the director in the new ones,
 * and waits for its end. Whatever ends it ends everything in the rehearsal.
 */
import { readFileSync } from "node:fs";
import { Fd } from "../platform/fd.ts";
import { SystemCallError } from "../platform/error.ts";
import { C } from "../platform/libc/constants.ts";
import { jsonBytes } from "../platform/bytes.ts";
import type { Platform } from "../platform/platform.ts";
import { helperEnvironment } from "../platform/process/hidden_environment.ts";
import { Namespaces } from "../platform/process/namespaces.ts";
import { DIRECT_VERB, parsePlan, type RehearsalMessage } from "./plan.ts";

/** @returns an exit status */
export function runStage(platform: Platform, control: number): number {
  const { processes, descriptors, libc } = platform;
  processes.signalOnParentDeath(C.SIGKILL);
  try {
    const director = startDirector(platform, control);
    libc.retry(() => libc.c.waitpid(director, null, 0));
    return 0;
  } catch (error) {
    if (!(error instanceof SystemCallError)) throw error;
    const refused: RehearsalMessage = { kind: "refused", what: error.message, code: error.code };
    descriptors.send(new Fd(libc, control), jsonBytes(refused));
    return 1;
  }
}

function startDirector(platform: Platform, control: number): number {
  const { processes, descriptors, runtime } = platform;
  const namespaces = new Namespaces(platform.libc);
  namespaces.leave(["mount", "net", "ipc", "uts"]);
  const { addresses } = parsePlan(readFileSync(`/proc/self/fd/${control + 1}`, "utf8"));
  namespaces.raiseLoopback(addresses);
  using own = descriptors.open("/proc/self/ns/pid", C.O_RDONLY);
  namespaces.leave(["pid"]);
  try {
    const [path = "", ...prefix] = runtime.selfCommand;
    return processes.spawn({
      path,
      argv: ["baton", ...prefix, DIRECT_VERB, String(control)],
      env: helperEnvironment(runtime),
      descriptors: Array.from({ length: control + 2 }, (_, descriptor) => descriptor),
    });
  } finally {
    // A failure changes nothing: this thread still can do all that it will, which is to wait.
    namespaces.returnToPid(own);
  }
}
