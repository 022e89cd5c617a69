/** Pure: what was measured of services behind a front, as tables. */
import { spread } from "../../spread.ts";
import type { FrontCost } from "./cost.ts";
import type { FrontOutcome } from "./measure.ts";

const BYTES_PER_MIB = 1024 * 1024;

export function frontLost({ lanes }: Pick<FrontOutcome, "lanes">): number {
  return lanes.reduce((sum, { lost }) => sum + lost, 0);
}

/** Something that must not be. */
export function isBadFront(outcome: FrontOutcome): boolean {
  return frontLost(outcome) > 0 || outcome.ended > 0 || outcome.failures.length > 0;
}

/** Header first. */
export function frontTable(outcomes: readonly FrontOutcome[]): string[][] {
  const header = [
    "",
    "lost",
    "client connections ended by an app's reload",
    "slowest answer, ms (alone; with Envoy's)",
    "rename to effect, ms (median, slowest; with Envoy's)",
    "Envoy, MiB",
  ];
  return [
    header,
    ...outcomes.map((outcome) => {
      const { app, plan, lanes, ended, slowestAloneMs, envoyBytes } = outcome;
      const all = lanes.reduce((sum, lane) => sum + lane.ok + lane.lost, 0);
      const slowestMs = Math.max(...lanes.map((lane) => lane.slowestMs));
      const name = `${app}: ${plan.alone + plan.withEnvoy} reloads, ${plan.envoyReloads} of Envoy`;
      return [
        name,
        `${frontLost(outcome)} of ${all.toLocaleString("en-US")}`,
        `${ended} in ${plan.alone} reloads`,
        `${slowestAloneMs.toFixed(0)}; ${slowestMs.toFixed(0)}`,
        [outcome.effectAloneMs, outcome.effectMs].map(effectText).join("; "),
        (envoyBytes / BYTES_PER_MIB).toFixed(0),
      ];
    }),
  ];
}

function effectText(ms: readonly number[]): string {
  if (ms.length === 0) return "-";
  return `${spread(ms).median.toFixed(1)}, ${Math.max(...ms).toFixed(1)}`;
}

export function costLines({
  directMs,
  frontMs,
  directPerSecond,
  frontPerSecond,
  canaryPercent,
  canaryRequests,
}: FrontCost): string[] {
  const per = (value: number) => Math.round(value).toLocaleString("en-US");
  return [
    `Added latency, one client on a kept connection, median: ${directMs.toFixed(2)} ms direct, ` +
    `${frontMs.toFixed(2)} ms through the front with TLS.`,
    `Requests per second, 8 clients in one process: ${per(directPerSecond)} direct, ` +
    `${per(frontPerSecond)} through the front with TLS.`,
    `A canary of 10 %: ${canaryPercent.toFixed(1)} % of ${per(canaryRequests)} requests.`,
  ];
}
