/**
 * `baton prestop`: a preStop hook that waits until the pod gets no more traffic. With a baton in the container, it
 * requests a drain from that and waits for it; without, it watches the ports itself.
 *
 * Bounded by --min and --max in any case; may run twice, at once or in sequence. It sends the server nothing: TERM is
 * the kubelet's job. The output of a hook is lost, so the outcome goes to the standard output of process 1, too.
 */
import { appendFileSync } from "node:fs";
import { callControl, ControlError, type ControlResponse } from "../../admin/client.ts";
import { reachableServices, servicePaths } from "../../admin/paths.ts";
import type { Platform } from "../../platform/platform.ts";
import { busyIn } from "../../admin/replies.ts";
import { EXIT_DRAIN_TIMED_OUT, EXIT_OK } from "../console/exit_status.ts";
import type { PrestopCommand } from "../words/parse_pod.ts";
import { servePrestop } from "./prestop_sidecar.ts";
import {
  busyOutcome,
  NO_PORT,
  type PrestopOutcome,
  secondsSince,
  waitForQuiet,
} from "./prestop_wait.ts";
import type { Printer } from "../console/printer.ts";

const HTTP_OK = 200;
const OUTPUT_OF_MAIN_PROCESS = "/proc/1/fd/1";

export async function commandPrestop(
  platform: Platform,
  command: PrestopCommand,
  print: Printer,
): Promise<number> {
  if (command.serve !== null) return servePrestop(platform, command, command.serve, print);
  const startedAtMs = platform.clock.now();
  const [status, text] = requestDrain(platform, command) ??
    await waitForQuiet(platform, remaining(command, platform.clock.now() - startedAtMs), NO_PORT);
  printTwice(`baton prestop: ${text}`, status === EXIT_OK ? print.out : print.error);
  return status;
}

/** @returns null when no baton here can drain */
function requestDrain(platform: Platform, command: PrestopCommand): PrestopOutcome | null {
  const startedAtMs = platform.clock.now();
  const after = () => `after ${secondsSince(platform.clock, startedAtMs)} s`;
  const { placeOf, running } = reachableServices(platform, command.runtimeDir);
  const [name, another] = command.name === null ? running() : [command.name];
  if (name === undefined || another !== undefined) return null;
  try {
    const answer = callControl(platform, servicePaths(placeOf(name), name).socket, {
      method: "POST",
      path: "/v1/drain",
      // A time-out of 0 would mean no limit.
      timeoutMs: Math.max(1, command.minMs + command.maxMs),
    });
    const [status, text] = drainOutcome(name, answer) ?? [];
    return status === undefined ? null : [status, `${text} ${after()}`];
  } catch (error) {
    if (!(error instanceof ControlError)) throw error;
    if (error.kind !== "timed_out") return null;
    return [EXIT_DRAIN_TIMED_OUT, `"${name}" is not yet drained ${after()}`];
  }
}

/** @returns null when baton cannot drain */
export function drainOutcome(
  name: string,
  { status, body }: Pick<ControlResponse, "status" | "body">,
): PrestopOutcome | null {
  if (status !== HTTP_OK) return null;
  const [code, text] = busyOutcome(busyIn(body)) ?? [];
  return code === undefined ? [EXIT_OK, `"${name}" is drained`] : [code, `"${name}": ${text}`];
}

/** @returns the command with the rest of --min and --max for another wait */
export function remaining(command: PrestopCommand, spentMs: number): PrestopCommand {
  const { minMs, maxMs } = command;
  const spentOfMaxMs = Math.max(0, spentMs - minMs);
  return {
    ...command,
    minMs: Math.max(0, minMs - spentMs),
    maxMs: Math.max(0, maxMs - spentOfMaxMs),
  };
}

function printTwice(text: string, print: (text: string) => void): void {
  print(text);
  try {
    appendFileSync(OUTPUT_OF_MAIN_PROCESS, `${text}\n`);
  } catch {
    // Process 1 belongs to another user.
  }
}
