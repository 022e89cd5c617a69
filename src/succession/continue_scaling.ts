/** Workers that were about to start or to end beside others when the earlier baton ended. */
import { RunningGeneration } from "../generation/generation.ts";
import { bakingOf, type ServiceState, servingOf } from "../lifecycle/state.ts";
import type { ServiceParts } from "./pack_service.ts";

export function continueScaling(
  { running }: Pick<ServiceParts, "running">,
  service: ServiceState,
): void {
  for (const each of [servingOf(service), bakingOf(service)]) {
    const generation = running.get(each?.epoch ?? NaN);
    if (!each || !(generation instanceof RunningGeneration)) continue;
    const { workers } = generation;
    const rising = workers.all.filter(({ isActive, adoptTarget }) =>
      isActive && adoptTarget.isRising
    );
    for (const worker of rising) workers.resumeStart(worker);
    workers.scale(each.workers);
  }
}
