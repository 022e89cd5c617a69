/** The health checks of all workers of a generation, as status lists them. */
import type { CheckView } from "../../report/snapshot.ts";
import type { Worker } from "./worker.ts";

export function checksOf(workers: readonly Worker[]): readonly CheckView[] {
  const isAlone = workers.length === 1;
  return workers.flatMap(({ number, health: { views } }) =>
    isAlone ? views : views.map((view) => ({ ...view, check: `worker ${number}: ${view.check}` }))
  );
}
