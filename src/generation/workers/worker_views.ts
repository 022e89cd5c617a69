/** What is reported of the workers of a generation. */
import type { CheckView } from "../../report/snapshot.ts";
import type { Worker, WorkerState } from "./worker.ts";

interface WorkerView {
  readonly number: number;
  /** Of its leading process; null when that has exited. */
  readonly pid: number | null;
  readonly state: WorkerState;
  readonly startedAt: string;
  /** Beside its generation. */
  readonly restarts: number;
}

export function viewOf({ number, pid, state, startedAt, restarts }: Worker): WorkerView {
  return {
    number,
    pid: state === "exited" ? null : pid,
    state,
    startedAt: startedAt.toISOString(),
    restarts,
  };
}

export function checksOf(workers: readonly Worker[]): readonly CheckView[] {
  const isAlone = workers.length === 1;
  return workers.flatMap(({ number, health: { views } }) =>
    isAlone ? views : views.map((view) => ({ ...view, check: `worker ${number}: ${view.check}` }))
  );
}
