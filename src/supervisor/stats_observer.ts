/** Counts what happens to a service: from the steps of its lifecycle, and from what its history has of them. */
import { GENERATION_STATES, type GenerationState } from "../lifecycle/generation.ts";
import { type ServiceState, servingOf } from "../lifecycle/state.ts";
import type { ServiceEffect, ServiceEvent } from "../lifecycle/vocabulary.ts";
import type { Clock } from "../platform/clock.ts";
import type { EndedGeneration, LastReload } from "../report/snapshot.ts";
import type { Step } from "../report/step.ts";
import type { Registry } from "../stats/registry.ts";
import type { Observer } from "./observer.ts";

const MS_PER_SECOND = 1000;
const BEFORE_GATE: readonly (GenerationState | null)[] = ["starting", "probing"];
const BEHIND_GATE: readonly (GenerationState | null)[] = ["baking", "serving"];

export class StatsObserver implements Observer {
  /** When each generation began to start, and to drain. */
  readonly #startedMs = new Map<number, number>();
  readonly #drainsSinceMs = new Map<number, number>();

  constructor(
    readonly registry: Pick<Registry, "counter" | "gauge" | "histogram">,
    readonly clock: Pick<Clock, "now" | "wallMs">,
    /** When an earlier baton has begun to count for this service, in seconds since 1970; Infinity: none has. */
    readonly startedBefore = Infinity,
  ) {}

  onStep({ event, before, after, effects, history }: Step): void {
    const { registry } = this;
    this.#countEvent(event);
    for (const effect of effects) this.#countEffect(effect, history.lastReload);
    for (const waitMs of history.waitsMs) {
      registry.histogram("baton_client_wait_seconds").observe(waitMs / MS_PER_SECOND);
    }
    if (after.crashes > before.crashes) registry.counter("baton_crashes_total").add();
    // The predecessor counts what becomes of its own generation.
    if (event.kind === "exited" && event.epoch !== before.inherited) {
      const ended = history.recentlyEnded.findLast(({ epoch }) => epoch === event.epoch);
      if (ended !== undefined) this.#countEnd(ended, history.lastReload);
    }
    this.#time(before, after);
    this.#show(after);
    const startedAt = history.startedAt.getTime() / MS_PER_SECOND;
    registry.gauge("baton_start_time_seconds").set(Math.min(startedAt, this.startedBefore));
  }

  #countEvent(event: ServiceEvent): void {
    const name = COUNTED[event.kind];
    if (name !== undefined) this.registry.counter(name).add();
    if (event.kind !== "drain_called") return;
    const result = event.failure === null ? "ok" : "failed";
    this.registry.counter("baton_drain_calls_total", { result }).add();
  }

  #countEffect(effect: ServiceEffect, lastReload: LastReload | null): void {
    const { registry } = this;
    switch (effect.kind) {
      case "spawn":
        return registry.counter("baton_generations_started_total").add();
      case "rolled_back":
        return registry.counter("baton_rollbacks_total").add();
      case "reload_result":
        if (effect.requests.length > 0) this.#countReload(effect.result, lastReload);
        return;
      case "upgrade_result":
        return registry.counter("baton_upgrades_total", { result: effect.result }).add();
      case "scale_result":
        return registry.counter("baton_scalings_total", { result: effect.result }).add();
    }
  }

  #countReload(result: LastReload["result"], lastReload: LastReload | null): void {
    const { registry } = this;
    registry.counter("baton_reloads_total", { result }).add();
    const seconds = (lastReload?.durationMs ?? 0) / MS_PER_SECOND;
    registry.histogram("baton_reload_seconds", { result }).observe(seconds);
    if (result === "refused") return;
    registry.gauge("baton_last_reload_successful").set(result === "ok" ? 1 : 0);
    const now = this.clock.wallMs() / MS_PER_SECOND;
    registry.gauge("baton_last_reload_timestamp_seconds").set(now);
  }

  #countEnd(ended: EndedGeneration, lastReload: LastReload | null): void {
    const { epoch, outcome, connectionsCut: cut, connectionsUndecided: undecided } = ended;
    this.registry.counter("baton_generations_ended_total", { outcome: outcome ?? "stopped" }).add();
    // The history has more of the generation that the last reload has replaced.
    const { finished, moved } = (lastReload?.replaced === epoch ? lastReload.connections : null) ??
      { finished: 0, moved: 0 };
    for (const [fate, number] of Object.entries({ finished, cut, undecided, moved })) {
      this.registry.counter("baton_drained_connections_total", { fate }).add(number);
    }
  }

  #time(before: ServiceState, after: ServiceState): void {
    const nowMs = this.clock.now();
    const secondsSince = (ms: number) => (nowMs - ms) / MS_PER_SECOND;
    for (const { epoch, from, to } of changesOf(before, after)) {
      if (from !== "starting" && to === "starting") this.#startedMs.set(epoch, nowMs);
      const startedMs = this.#startedMs.get(epoch);
      if (startedMs !== undefined && BEFORE_GATE.includes(from) && BEHIND_GATE.includes(to)) {
        this.registry.histogram("baton_gate_seconds").observe(secondsSince(startedMs));
      }
      if (to === "draining") this.#drainsSinceMs.set(epoch, nowMs);
      const sinceMs = this.#drainsSinceMs.get(epoch);
      if (sinceMs !== undefined && (to === "stopping" || to === null)) {
        this.registry.histogram("baton_drain_seconds").observe(secondsSince(sinceMs));
        this.#drainsSinceMs.delete(epoch);
      }
      if (to === "serving") this.#drainsSinceMs.delete(epoch);
      if (to === null) this.#startedMs.delete(epoch);
    }
  }

  #show(after: ServiceState): void {
    const { registry } = this;
    const serving = servingOf(after);
    const own = after.generations.filter(({ epoch }) => epoch !== after.inherited);
    for (const state of GENERATION_STATES) {
      if (state === "exited") continue;
      const number = own.filter((generation) => generation.state === state).length;
      registry.gauge("baton_generations", { state }).set(number);
    }
    const epoch = registry.gauge("baton_epoch");
    if (serving === null || serving.epoch === after.inherited) epoch.remove();
    else epoch.set(serving.epoch);
    const share = registry.gauge("baton_trial_share_ratio");
    if (after.trial === null) share.remove();
    else share.set(after.trial.percent / 100);
  }
}

const COUNTED: Partial<Record<ServiceEvent["kind"], Parameters<Registry["counter"]>[0]>> = {
  worker_exited: "baton_worker_exits_total",
  unhealthy: "baton_unhealthy_total",
  drain_timed_out: "baton_drain_timeouts_total",
  stop_timed_out: "baton_stop_timeouts_total",
};

interface Change {
  readonly epoch: number;
  /** Null: it was not there. */
  readonly from: GenerationState | null;
  readonly to: GenerationState | null;
}

/** Changes of state of this baton's own generations. */
function changesOf(before: ServiceState, after: ServiceState): Change[] {
  const [from, to] = [before, after].map(({ generations, inherited }) =>
    new Map(
      generations.filter(({ epoch }) => epoch !== inherited)
        .map(({ epoch, state }) => [epoch, state] as const),
    )
  ) as [Map<number, GenerationState>, Map<number, GenerationState>];
  return [...new Set([...from.keys(), ...to.keys()])]
    .map((epoch) => ({ epoch, from: from.get(epoch) ?? null, to: to.get(epoch) ?? null }))
    .filter((change) => change.from !== change.to);
}
