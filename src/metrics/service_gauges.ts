/** What is true of a service now, from its summary: gauges, which vanish with the generation that they are about. Pure. */
import type { GenerationSummary, Summary } from "../report/summary.ts";
import { SERIES } from "../stats/series.ts";
import { type Family, type Labels, type NumberPoint, single } from "./family.ts";

/** States between the request of a reload and its switch. */
const COMING = ["waiting", "starting", "probing"] as const;
/** States of a generation that is counted: all but `exited`, of which there is nothing that could be. */
const ALIVE = [...COMING, "baking", "serving", "draining", "stopping"] as const;
const MS_PER_S = 1000;
const ENVOY_RESULTS = ["follows", "behind", "rejected", "absent"] as const;
/** Null: that is not known, or no Envoy is asked. */
const FOLLOWED = {
  waiting: null,
  unwritten: 0,
  asking: null,
  followed: 1,
  "not followed": 0,
  unasked: null,
} as const;

// deno-fmt-ignore: one family per entry, so that it reads as a table
export function serviceGauges(summary: Summary): Family[] {
  const { lastReload, generations, fronts } = summary;
  const alive = generations.filter(({ state }) => isOneOf(ALIVE, state));
  const ofEach = (name: string, help: string, value: (one: GenerationSummary) => number | null) =>
    gauge(name, help, alive.flatMap((one) => point(value(one), generationLabel(one))));
  const now = (name: string, help: string, value: number | null) => single("gauge", name, help, value);
  return [
    gauge("baton_build_info", "Version of baton; always 1", point(1, { version: summary.version })),
    now("baton_incarnation", "Batons that ran this service before this one, without a stop in between",
      summary.incarnation),
    gauge("baton_generations", SERIES.baton_generations.help,
      ALIVE.flatMap((state) => point(alive.filter((one) => one.state === state).length, { state }))),
    now("baton_epoch", SERIES.baton_epoch.help, summary.epoch),
    ofEach("baton_generation_start_time_seconds", "When the generation was started",
      ({ startedAt }) => Date.parse(startedAt) / MS_PER_S),
    ofEach("baton_generation_share_ratio", "Share of the new connections that the generation is to get",
      ({ percent }) => percent / 100),
    gauge("baton_connections",
      "Accepted connections of each generation: busy ones owe an answer, and of undecided ones that is not known",
      alive.flatMap((one) => (["busy", "idle", "undecided"] as const).flatMap((state) =>
        point(one.connections[state], { ...generationLabel(one), state })))),
    ofEach("baton_queued_connections", "Connections that wait to be accepted", ({ queue }) => queue),
    ofEach("baton_workers_serving", "Workers of the generation that get connections",
      ({ workers }) => workers.serving),
    now("baton_workers_wanted", "Workers that the next generation begins with", summary.workers.wanted),
    ofEach("baton_deadline_seconds", "Time until the limit of the generation's state: its gate, its drain, its stop",
      ({ leftMs }) => inSeconds(leftMs)),
    now("baton_reload_in_progress", "1 from the start of a new generation until it serves, or has failed",
      Number(alive.length > 1 && alive.some(({ state }) => isOneOf(COMING, state)))),
    now("baton_reload_queued", "1 while a reload waits for the one before it", Number(summary.isQueued)),
    now("baton_last_reload_successful", "1 if the last reload succeeded, and was not rolled back since",
      lastReload && Number(lastReload.result === "ok")),
    now("baton_last_reload_duration_seconds", "Time from the request of the last reload to its answer",
      lastReload && inSeconds(lastReload.durationMs)),
    gauge("baton_front_followed", "1 while the Envoys of a front do what its endpoint file says (--front)",
      fronts.flatMap(({ file, state }) => point(FOLLOWED[state], { file }))),
    gauge("baton_front_envoys", "Envoys of a front by what they made of its endpoint file at the latest look",
      fronts.flatMap(({ file, envoys }) => ENVOY_RESULTS.flatMap((result) =>
        point(envoys.filter((each) => each.result === result).length, { file, result })))),
    now("baton_look_age_seconds", "Age of the look at the kernel's socket table that these numbers are from",
      inSeconds(summary.lookAgeMs)),
  ];
}

function isOneOf(states: readonly string[], state: string): boolean {
  return states.includes(state);
}

function gauge(name: string, help: string, points: readonly NumberPoint[]): Family {
  return { name, help, type: "gauge", points };
}

/** One point; none for a value that is not known. */
function point(value: number | null, labels: Labels = {}): NumberPoint[] {
  return value === null ? [] : [{ labels, value }];
}

function generationLabel({ epoch }: GenerationSummary): Labels {
  return { generation: String(epoch) };
}

function inSeconds(ms: number | null): number | null {
  return ms === null ? null : ms / MS_PER_S;
}
