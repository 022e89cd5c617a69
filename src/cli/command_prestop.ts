/**
 * `baton prestop`: a preStop hook that waits until the pod gets no more traffic. With a baton in the
 * container it asks that one to drain, and waits for it; without, it watches the ports itself.
 *
 * Bounded by --min and --max, whatever happens; may run twice, at once or one after the other. Sends
 * the server nothing: TERM is the kubelet's business. What a hook prints is lost, so the outcome goes
 * to the standard output of process 1 as well.
 */
import { appendFileSync } from "node:fs";
import { callControl, ControlError } from "../admin/client.ts";
import { runtimeDirectory, servicePaths, servicesIn } from "../admin/paths.ts";
import type { Platform } from "../platform/platform.ts";
import { EXIT_DRAIN_TIMED_OUT, EXIT_OK } from "./exit_status.ts";
import type { PrestopCommand } from "./parse_pod.ts";
import { servePrestop } from "./prestop_sidecar.ts";
import { NO_PORT, type Outcome, secondsSince, waitForQuiet } from "./prestop_wait.ts";
import type { Printer } from "./printer.ts";

const OUTPUT_OF_MAIN_PROCESS = "/proc/1/fd/1";

export async function commandPrestop(
  platform: Platform,
  command: PrestopCommand,
  print: Printer,
): Promise<number> {
  if (command.serve !== null) return servePrestop(platform, command, command.serve, print);
  const [status, text] = askBaton(platform, command) ??
    await waitForQuiet(platform, command, NO_PORT);
  tell(`baton prestop: ${text}`, status === EXIT_OK ? print.out : print.error);
  return status;
}

/** @returns null when no baton runs here */
function askBaton(platform: Platform, command: PrestopCommand): Outcome | null {
  const startedAtMs = performance.now();
  const after = () => `after ${secondsSince(startedAtMs)} s`;
  const env = platform.runtime.env();
  const directory = runtimeDirectory(command.runtimeDir, env, platform.processes.userId());
  const names = command.name === null ? servicesIn(directory) : [command.name];
  const [name] = names;
  if (name === undefined || names.length > 1) return null;
  try {
    callControl(platform, servicePaths(directory, name).socket, {
      method: "POST",
      path: "/v1/drain",
      timeoutMs: command.minMs + command.maxMs,
    });
    return [EXIT_OK, `"${name}" is drained ${after()}`];
  } catch (error) {
    if (!(error instanceof ControlError)) throw error;
    if (error.kind !== "timed_out") return null;
    return [EXIT_DRAIN_TIMED_OUT, `"${name}" is not yet drained ${after()}`];
  }
}

function tell(text: string, print: (text: string) => void): void {
  print(text);
  try {
    appendFileSync(OUTPUT_OF_MAIN_PROCESS, `${text}\n`);
  } catch {
    // Another user's process: only the caller is told.
  }
}
