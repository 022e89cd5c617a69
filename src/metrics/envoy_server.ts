/**
 * What Envoy has an equal of, by Envoy's names, so that what looks at an Envoy can look at baton:
 * https://www.envoyproxy.io/docs/envoy/v1.40.0/configuration/observability/statistics. Pure.
 */
import type { Summary } from "../report/summary.ts";
import type { OwnUsage } from "../platform/own_usage.ts";
import { type Family, single } from "./family.ts";

/** States in the order in which `server.state` counts them. */
const STATES = ["LIVE", "DRAINING", "PRE_INITIALIZING", "INITIALIZING"] as const;
type State = typeof STATES[number];

interface ServerFacts {
  readonly state: State;
  readonly uptimeSeconds: number | null;
  /** Epoch of the serving generation; null: none serves. */
  readonly epoch: number | null;
  readonly workers: number;
  /** Connections of generations before the serving one. */
  readonly parentConnections: number;
  readonly totalConnections: number;
  readonly residentBytes: number | null;
}

export function serverFacts(
  { epoch, generations, workers }: Pick<Summary, "epoch" | "generations" | "workers">,
  state: State,
  usage: OwnUsage,
): ServerFacts {
  const parents = generations.filter((one) => epoch !== null && one.epoch < epoch);
  return {
    state,
    uptimeSeconds: usage.uptimeSeconds,
    epoch,
    workers: workers.wanted,
    parentConnections: totalOf(parents),
    totalConnections: totalOf(generations),
    residentBytes: usage.residentBytes,
  };
}

function totalOf(generations: Summary["generations"]): number {
  return generations.reduce((sum, { connections }) => sum + connections.total, 0);
}

export function serverFamilies(facts: ServerFacts): Family[] {
  const { epoch, uptimeSeconds } = facts;
  const values = {
    "server.live": Number(facts.state === "LIVE"),
    "server.state": STATES.indexOf(facts.state),
    "server.uptime": uptimeSeconds === null ? null : Math.floor(uptimeSeconds),
    "server.hot_restart_epoch": epoch,
    "server.hot_restart_generation": epoch === null ? null : epoch + 1,
    "server.concurrency": facts.workers,
    "server.parent_connections": facts.parentConnections,
    "server.total_connections": facts.totalConnections,
    "server.memory_physical_size": facts.residentBytes,
  };
  return Object.entries(values).map(([name, value]) => single("gauge", name, "", value));
}
