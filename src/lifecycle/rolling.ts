/**
 * Rolling reloads: the workers of the serving generation are replaced one by one, so that never more than one worker
 * too many is alive. With n workers:
 *
 *     new  old
 *      1    n     the candidate has passed its gate with one worker, and is on trial
 *      1   n-1    one old worker has drained and exited
 *      2   n-1    the next new one has passed the gate
 *     ...
 *      n    1     the new generation is promoted, and the old one drains with its last worker
 *
 * The new one's share of the connections is that of its workers. If one of them fails the new generation is rolled
 * back, and when it has exited the old one gets its full number again (scaling.ts). Pure.
 */
import type { Draft } from "./draft.ts";
import type { Generation } from "./generation.ts";
import { servingOf } from "./state.ts";
import { scaleTo, wantedWorkers } from "./scaling.ts";

const ALL = 100;

/** @returns with how many workers the next candidate starts */
export function workersAtStart(draft: Draft): number {
  const { reload } = draft.state;
  const rolls = reload.rollout.rolling && servingOf(draft.state) !== null;
  return rolls ? 1 : wantedWorkers(draft);
}

/** @returns whether `candidate`, which has passed its gate, lacks workers that take the places of old ones */
export function rolls(draft: Draft, { workers }: Generation): boolean {
  return draft.state.reload.rollout.rolling && workers < wantedWorkers(draft);
}

/** @returns percent of the new connections, with two decimals as steering has them */
export function shareOf(draft: Draft, { workers }: Generation): number {
  return Math.round(ALL * ALL * Math.min(1, workers / wantedWorkers(draft))) / ALL;
}

/** The next step, after `settled` has come to the number of workers that it was to have. */
export function roll(draft: Draft, baking: Generation, settled: Generation): void {
  const serving = servingOf(draft.state);
  if (serving === null) return;
  const wanted = wantedWorkers(draft);
  if (settled.epoch === baking.epoch) scaleTo(draft, serving, wanted - baking.workers);
  else scaleTo(draft, baking, wanted - serving.workers + 1);
}
