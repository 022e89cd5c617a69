/**
 * Waits until the ports of a network namespace get no more traffic, without a supervisor: the work of
 * `baton prestop`. Bounded by --min and --max, whatever happens; what cannot be counted is busy.
 */
import { PortWatch } from "../../drain/port_watch.ts";
import type { Platform } from "../../platform/platform.ts";
import { Shutdown } from "../../pod/shutdown.ts";
import { EXIT_DRAIN_TIMED_OUT, EXIT_OK, EXIT_SYSTEM } from "../console/exit_status.ts";
import type { PrestopCommand } from "../words/parse_pod.ts";

export type PrestopOutcome = readonly [status: number, text: string];

/** A port of baton's own, which is no traffic. */
export interface OwnPort {
  readonly port: number | null;
  accepted(): number;
}

export const NO_PORT: OwnPort = { port: null, accepted: () => 0 };

export function watchPorts(
  platform: Platform,
  command: Pick<PrestopCommand, "ports" | "quietMs">,
  own: OwnPort,
): PortWatch {
  return new PortWatch(platform, {
    ports: () => command.ports,
    exceptPort: own.port,
    processes: null,
    quietMs: command.quietMs,
    countsOpens: true,
    ownOpens: () => own.accepted(),
  });
}

export async function waitForQuiet(
  platform: Platform,
  command: PrestopCommand,
  own: OwnPort,
): Promise<PrestopOutcome> {
  const traffic = watchPorts(platform, command, own);
  const shutdown = new Shutdown({
    policy: {
      minDrainMs: command.minMs,
      maxDrainMs: command.maxMs,
      quietMs: command.quietMs,
      stopTimeMs: 0,
      finishesRequests: false,
      // It may be somebody else's port that was named: the endpoints need their time all the same.
      expectsListener: false,
      skipsDrain: false,
    },
    look: (atMs) => traffic.sample(atMs),
    endIdle: (atMs) => traffic.closeIdle(atMs),
    onBegin: () => {},
    onPhase: () => {},
    signal: () => {},
    kill: () => {},
  });
  const startedAtMs = performance.now();
  await shutdown.drain();
  shutdown.close();
  const [status, text] = outcomeOf(shutdown, traffic, command.ports);
  return [status, `${text} after ${secondsSince(startedAtMs)} s`];
}

function outcomeOf(
  { latestLook: latest }: Shutdown,
  traffic: PortWatch,
  ports: readonly number[],
): PrestopOutcome {
  const unfinished = busyOutcome(latest?.busy ?? null);
  if (unfinished !== null) return unfinished;
  if (traffic.ports.length > 0) return [EXIT_OK, `no more traffic at ${traffic.ports.join(", ")}`];
  return [EXIT_SYSTEM, `nobody listens ${ports.length > 0 ? `at ${ports.join(", ")}` : "here"}`];
}

/** @param busy null: they could not be counted @returns null when nobody is */
export function busyOutcome(busy: number | null): PrestopOutcome | null {
  if (busy === null) return [EXIT_DRAIN_TIMED_OUT, "the connections could not be counted"];
  return busy > 0 ? [EXIT_DRAIN_TIMED_OUT, `${busy} connections are still busy`] : null;
}

export function secondsSince(startedAtMs: number): string {
  return ((performance.now() - startedAtMs) / MS_PER_SECOND).toFixed(1);
}

const MS_PER_SECOND = 1000;
