/**
 * The service: at most one serving generation, at most one candidate, any number draining (bounded).
 * `step(state, event, policy) -> {state, effects}`; pure: no clock, no process, no I/O.
 *
 * Invariants (checked by a random walk in test/unit/lifecycle):
 * - at most one generation is a candidate (starting or probing), at most one serving;
 * - a serving generation stays serving until another one has passed its gate, it crashes, or the
 *   service is told to stop: a failing candidate never touches it;
 * - never more than `maxGenerations` are alive;
 * - a reload or an upgrade that was asked for is answered exactly once;
 * - while an upgrade is under way no generation is started: two batons share the kernel's groups.
 */
import { Draft } from "./draft.ts";
import { accepts } from "./generation.ts";
import type { ServicePolicy, ServiceState } from "./state.ts";
import type { ServiceEffect, ServiceEvent } from "./vocabulary.ts";

export { candidateOf, inheritedState, INITIAL_STATE, servingOf } from "./state.ts";
export type { ServicePolicy, ServiceState } from "./state.ts";

export interface Step {
  readonly state: ServiceState;
  readonly effects: readonly ServiceEffect[];
}

/** The transition function. */
export function step(state: ServiceState, event: ServiceEvent, policy: ServicePolicy): Step {
  if (state.finished) return { state, effects: [] };
  const draft = new Draft(state, policy);
  if ("epoch" in event) {
    const generation = state.generations.find(({ epoch }) => epoch === event.epoch);
    if (generation === undefined || !accepts(generation.state, event.kind)) {
      return { state, effects: [] };
    }
    draft.onGeneration(generation, event);
  } else {
    draft.onService(event);
  }
  draft.settle();
  return { state: draft.state, effects: draft.effects };
}
