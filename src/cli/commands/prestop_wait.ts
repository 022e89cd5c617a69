/**
 * Waits, without a supervisor, until the ports of a network namespace get no more traffic: the core of `baton prestop`.
 * Bounded by --min and --max in any case; connections that cannot be counted are busy.
 */
import { PortWatch } from "../../drain/port_watch.ts";
import type { Clock } from "../../platform/clock.ts";
import type { Platform } from "../../platform/platform.ts";
import { Shutdown } from "../../pod/shutdown.ts";
import { EXIT_DRAIN_TIMED_OUT, EXIT_OK, EXIT_SYSTEM } from "../console/exit_status.ts";
import type { PrestopCommand } from "../words/parse_pod.ts";

export type PrestopOutcome = readonly [status: number, text: string];

/** A port of baton itself, whose connections are not traffic of the service. */
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
    exceptPorts: own.port === null ? [] : [own.port],
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
    clock: platform.clock,
    policy: {
      minDrainMs: command.minMs,
      maxDrainMs: command.maxMs,
      quietMs: command.quietMs,
      stopTimeMs: 0,
      finishesRequests: false,
      // The port may belong to another container: the endpoints need their time all the same.
      expectsListener: false,
      skipsDrain: false,
    },
    traffic,
  });
  const startedAtMs = platform.clock.now();
  await shutdown.drain();
  shutdown.close();
  const [status, text] = outcomeOf(shutdown, traffic, command.ports);
  return [status, `${text} after ${secondsSince(platform.clock, startedAtMs)} s`];
}

function outcomeOf(
  { latestLook: latest }: Shutdown,
  traffic: PortWatch,
  ports: readonly number[],
): PrestopOutcome {
  const unfinished = busyOutcome(latest?.busy ?? null);
  if (unfinished !== null) return unfinished;
  if (traffic.ports.length > 0) return [EXIT_OK, `no more traffic at ${traffic.ports.join(", ")}`];
  return [EXIT_SYSTEM, `no server listens ${ports.length > 0 ? `at ${ports.join(", ")}` : "here"}`];
}

/** @param busy null: not countable @returns null when none is busy */
export function busyOutcome(busy: number | null): PrestopOutcome | null {
  if (busy === null) return [EXIT_DRAIN_TIMED_OUT, "the connections could not be counted"];
  return busy > 0 ? [EXIT_DRAIN_TIMED_OUT, `${busy} connections are still busy`] : null;
}

export function secondsSince(clock: Clock, startedAtMs: number): string {
  return ((clock.now() - startedAtMs) / MS_PER_SECOND).toFixed(1);
}

const MS_PER_SECOND = 1000;
