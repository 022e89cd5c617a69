/** What several workers bring (`--workers`): how connections are spread over them, and how much more they answer. */
import type { Bench, Measured, Section } from "../section.ts";
import { spreadRow } from "../spread.ts";
import { type BlockedLatency, blockedLatency, SPREADS, spreadShares } from "./spread_cost.ts";
import { type Throughput, workerThroughput } from "./throughput.ts";

export const WORKERS: Section = { name: "workers", isOfBuild: false, measure };

async function measure(bench: Bench): Promise<Measured | null> {
  if (!bench.available("node")) return null;
  const { shares, latencies } = await measureSpreads(bench);
  const throughputs = await measureThroughputs(bench);
  const byOther = (wanted: Throughput["language"], other: string) =>
    throughputs.find(({ language }) => language === wanted)?.ratios
      .find(({ by }) => by === other)?.ratio.median;
  const figures = {
    workersByOneNode: byOther("node", "one worker"),
    workersByOnePython: byOther("python", "one worker"),
    workersByCluster: byOther("node", "cluster"),
    workersByPm2: byOther("node", "pm2 -i 2"),
    leastP95Ms: latencies.find(({ kind }) => kind === "least")?.p95Ms,
  };
  return { figures, details: { shares, latencies, throughputs } };
}

async function measureSpreads(bench: Bench) {
  const shares: Awaited<ReturnType<typeof spreadShares>>[] = [];
  const latencies: BlockedLatency[] = [];
  for (const kind of SPREADS) {
    bench.status(`workers: --spread ${kind}`);
    shares.push(await spreadShares(kind));
    latencies.push(await blockedLatency(kind, 10 * bench.plan.seconds));
  }
  bench.table([
    ["10,000 connections of 4 workers, --spread", "share of each worker, %", "errors"],
    ...shares.map(({ kind, percent, errors }) => {
      return [kind, percent.map((share) => share.toFixed(1)).join(" "), String(errors)];
    }),
  ]);
  bench.table([
    ["one of 4 workers is busy for 200 ms, --spread", "median, ms", "95 %", "99 %", "slowest"],
    ...latencies.map(({ kind, medianMs, p95Ms, p99Ms, slowestMs }) => [
      kind,
      ...[medianMs, p95Ms, p99Ms, slowestMs].map((ms) => ms.toFixed(1)),
    ]),
  ]);
  return { shares, latencies };
}

async function measureThroughputs(bench: Bench): Promise<Throughput[]> {
  const throughputs: Throughput[] = [];
  for (const language of ["node", "python"] as const) {
    bench.status(`workers: throughput of ${language}`);
    throughputs.push(await workerThroughput(bench, language, Math.min(bench.plan.rounds, 10)));
  }
  bench.table([
    ["5 ms of CPU for each request", "requests/s", "2 workers by", "median", "min", "max"],
    ...throughputs.flatMap(({ language, perSecond, ratios }) =>
      ratios.map(({ by, ratio }) =>
        spreadRow([language, (perSecond[by] ?? NaN).toFixed(0), by], ratio, 2)
      )
    ),
  ]);
  return throughputs;
}
