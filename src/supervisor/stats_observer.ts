/** Counts what happens to a service: from the steps of its lifecycle, and from what its history has of them. */
import type { GenerationState } from "../lifecycle/generation.ts";
import { candidateOf, type ServiceState, servingOf } from "../lifecycle/state.ts";
import type { ServiceEffect, ServiceEvent } from "../lifecycle/vocabulary.ts";
import type { Step } from "../report/step.ts";
import type { Registry } from "../stats/registry.ts";
import type { Observer } from "./observer.ts";

export class StatsObserver implements Observer {
  constructor(readonly registry: Pick<Registry, "counter" | "gauge" | "histogram">) {}

  onStep({ event, before, after, effects }: Step): void {
    this.#countEvent(event, before);
    for (const effect of effects) this.#countEffect(effect);
    this.#show(after);
  }

  #countEvent(event: ServiceEvent, before: ServiceState): void {
    const { registry } = this;
    switch (event.kind) {
      case "worker_exited":
        return registry.counter("baton_worker_exits_total").add();
      case "unhealthy":
        return registry.counter("baton_unhealthy_total").add();
      case "drain_timed_out":
        return registry.counter("baton_drain_timeouts_total").add();
      case "stop_timed_out":
        return registry.counter("baton_stop_timeouts_total").add();
      case "exited":
        if (candidateOf(before)?.epoch === event.epoch) return;
        return;
      default:
        return;
    }
  }

  #countEffect(effect: ServiceEffect): void {
    const { registry } = this;
    switch (effect.kind) {
      case "spawn":
        return registry.counter("baton_generations_started_total").add();
      case "rolled_back":
        return registry.counter("baton_rollbacks_total").add();
      case "reload_result":
        return registry.counter("baton_reloads_total", { result: effect.result }).add();
      case "upgrade_result":
        return registry.counter("baton_upgrades_total", { result: effect.result }).add();
      case "scale_result":
        return registry.counter("baton_scalings_total", { result: effect.result }).add();
      default:
        return;
    }
  }

  #show(after: ServiceState): void {
    const serving = servingOf(after);
    const epoch = this.registry.gauge("baton_epoch");
    if (serving === null) epoch.remove();
    else epoch.set(serving.epoch);
    const states = new Map<GenerationState, number>();
    for (const { state } of after.generations) states.set(state, (states.get(state) ?? 0) + 1);
    for (const [state, number] of states) {
      this.registry.gauge("baton_generations", { state }).set(number);
    }
  }
}
