/**
 * Every series that baton counts, written down once: names, kinds and help by the conventions of Prometheus. A name's
 * meaning never changes. Pure.
 */

type Kind = "counter" | "gauge" | "state" | "histogram";
export type SeriesKind = Kind;
export type Labels = Readonly<Record<string, string>>;

export interface Description {
  /**
   * `counter`: never goes back. `gauge`: what both batons have during an upgrade is added. `state`: the newer baton's
   * word counts.
   */
  readonly kind: Kind;
  readonly help: string;
  readonly labels?: readonly string[];
  /** Upper bounds, without the last one, which is infinite. */
  readonly buckets?: readonly number[];
}

const SECONDS = [0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800];

// deno-fmt-ignore: one series per entry, so that it reads as a table
export const SERIES = {
  baton_reloads_total: { kind: "counter", labels: ["result"],
    help: "Reloads that were answered, by their result: ok, failed, refused" },
  baton_rollbacks_total: { kind: "counter",
    help: "Generations that were rolled back after they had passed their gate" },
  baton_generations_started_total: { kind: "counter",
    help: "Generations whose start was begun" },
  baton_generations_ended_total: { kind: "counter", labels: ["outcome"],
    help: "Generations whose last process has exited, by their outcome" },
  baton_crashes_total: { kind: "counter",
    help: "Crashes of the serving generation" },
  baton_worker_exits_total: { kind: "counter",
    help: "Workers that have exited while others of their generation lived" },
  baton_unhealthy_total: { kind: "counter",
    help: "How often a generation that had passed its gate became unhealthy" },
  baton_drain_timeouts_total: { kind: "counter",
    help: "Drains that were ended because their time was over" },
  baton_stop_timeouts_total: { kind: "counter",
    help: "Generations that were killed because their time to stop was over" },
  baton_drained_connections_total: { kind: "counter", labels: ["fate"],
    help: "Connections of generations that were drained, by what became of them: finished, cut, undecided, moved" },
  baton_drain_calls_total: { kind: "counter", labels: ["result"],
    help: "Calls that have asked a server to say goodbye to its clients, or to say so no more: ok, failed (--drain-call)" },
  baton_upgrades_total: { kind: "counter", labels: ["result"],
    help: "Replacements of baton itself, by their result: ok, failed, refused" },
  baton_recoveries_total: { kind: "counter",
    help: "How often a baton was killed, and the next one continued with its servers (--survive)" },
  baton_scalings_total: { kind: "counter", labels: ["result"],
    help: "Changes of the number of workers, by their result: ok, failed, refused" },
  baton_reload_seconds: { kind: "histogram", labels: ["result"], buckets: SECONDS,
    help: "Time from the request of a reload to its answer" },
  baton_gate_seconds: { kind: "histogram", buckets: SECONDS,
    help: "Time from the start of a generation until it has passed its gate" },
  baton_drain_seconds: { kind: "histogram", buckets: SECONDS,
    help: "Time from the beginning of a generation's drain to its stop signal" },
  baton_client_wait_seconds: { kind: "histogram", buckets: SECONDS,
    help: "Time that new connections waited while a generation was stopped before the next one (--order stop-first)" },
  baton_generations: { kind: "gauge", labels: ["state"],
    help: "Generations that are alive, by their state" },
  baton_epoch: { kind: "state",
    help: "Number of the serving generation" },
  baton_trial_share_ratio: { kind: "state",
    help: "Share of the new connections that the generation on trial gets" },
  baton_last_reload_successful: { kind: "state",
    help: "Whether the last reload was successful" },
  baton_last_reload_timestamp_seconds: { kind: "state",
    help: "When the last reload was answered" },
  baton_start_time_seconds: { kind: "state",
    help: "When the first baton of this service was started, without a stop since" },
} as const satisfies Readonly<Record<string, Description>>;

export type SeriesName = keyof typeof SERIES;

/** What a series is, as it is written beside its cells. */
export interface SeriesKey {
  readonly name: string;
  readonly kind: Kind;
  readonly labels: Labels;
  /** Upper bounds of a histogram, without the infinite one; empty for all others. */
  readonly buckets: readonly number[];
}

/** One series with its value. */
export interface Sample extends SeriesKey {
  /** The value; of a histogram the number of observations. */
  readonly value: number;
  /** Of a histogram the observations up to each bound, and all of them; empty for all others. */
  readonly cumulative: readonly number[];
  /** Of a histogram the sum of all that was observed. */
  readonly sum: number;
}

/** The name of one series, in the notation of Prometheus: `baton_reloads_total{result="ok"}`. */
export function seriesText({ name, labels }: Pick<SeriesKey, "name" | "labels">): string {
  const pairs = Object.entries(labels).sort(([a], [b]) => a < b ? -1 : 1)
    .map(([label, value]) => `${label}=${JSON.stringify(value)}`);
  return pairs.length === 0 ? name : `${name}{${pairs.join(",")}}`;
}
