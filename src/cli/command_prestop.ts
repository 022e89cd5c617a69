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
import { PortWatch } from "../drain/port_watch.ts";
import type { Platform } from "../platform/platform.ts";
import { Terminator } from "../supervisor/terminator.ts";
import { EXIT_DRAIN_TIMED_OUT, EXIT_OK, EXIT_SYSTEM } from "./exit_status.ts";
import type { Command } from "./parse.ts";
import type { Printer } from "./printer.ts";

const OUTPUT_OF_MAIN_PROCESS = "/proc/1/fd/1";
const MS_PER_SECOND = 1000;

type Prestop = Extract<Command, { verb: "prestop" }>;
type Outcome = readonly [status: number, text: string];

export async function commandPrestop(
  platform: Platform,
  command: Prestop,
  print: Printer,
): Promise<number> {
  const startedAtMs = performance.now();
  const [status, text] = askBaton(platform, command) ?? await watchPorts(platform, command);
  const seconds = ((performance.now() - startedAtMs) / MS_PER_SECOND).toFixed(1);
  tell(`baton prestop: ${text} after ${seconds} s`, status === EXIT_OK ? print.out : print.error);
  return status;
}

/** @returns null when no baton runs here */
function askBaton(platform: Platform, command: Prestop): Outcome | null {
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
    return [EXIT_OK, `"${name}" is drained`];
  } catch (error) {
    if (!(error instanceof ControlError)) throw error;
    if (error.kind === "timed_out") return [EXIT_DRAIN_TIMED_OUT, `"${name}" is not yet drained`];
    return null;
  }
}

async function watchPorts(platform: Platform, command: Prestop): Promise<Outcome> {
  const traffic = new PortWatch(platform, {
    ports: () => command.ports,
    exceptPort: null,
    processes: null,
    quietMs: command.quietMs,
    countsOpens: true,
    ownOpens: () => 0,
  });
  const terminator = new Terminator({
    policy: {
      minDrainMs: command.minMs,
      maxDrainMs: command.maxMs,
      quietMs: command.quietMs,
      stopTimeMs: 0,
      finishesRequests: false,
      // It may be somebody else's port that was named: the endpoints need their time all the same.
      expectsListener: false,
      skipsEmptying: false,
    },
    look: (atMs) => traffic.look(atMs),
    endIdle: (atMs) => traffic.endIdle(atMs),
    onBegin: () => {},
    onPhase: () => {},
    signal: () => {},
    kill: () => {},
  });
  await terminator.drain();
  terminator.close();
  const { latest } = terminator;
  if (latest === null) return [EXIT_DRAIN_TIMED_OUT, "the connections could not be counted"];
  if (latest.busy > 0) return [EXIT_DRAIN_TIMED_OUT, `${latest.busy} connections are still busy`];
  if (traffic.ports.length > 0) return [EXIT_OK, `no more traffic at ${traffic.ports.join(", ")}`];
  const where = command.ports.length > 0 ? `at ${command.ports.join(", ")}` : "here";
  return [EXIT_SYSTEM, `nobody listens ${where}`];
}

function tell(text: string, print: (text: string) => void): void {
  print(text);
  try {
    appendFileSync(OUTPUT_OF_MAIN_PROCESS, `${text}\n`);
  } catch {
    // Another user's process: only the caller is told.
  }
}
