/** Starts the workers of a candidate. */
import { errorText } from "../../platform/error.ts";
import type { Worker } from "./worker.ts";
import type { WorkerLaunch } from "./worker_parts.ts";

/**
 * @returns the first worker that cannot be started although one before it was; null: all were started
 * @throws if not even the first one can be started
 */
export function startAll(
  workers: readonly Worker[],
  { launch, stdinFor, onReleased }: {
    readonly launch: (worker: Worker) => WorkerLaunch;
    readonly stdinFor: (number: number) => Parameters<Worker["start"]>[1];
    /** Called when the program of the last worker runs. */
    readonly onReleased: () => void;
  },
): { readonly worker: Worker; readonly reason: string } | null {
  for (const worker of workers) {
    const { number } = worker;
    try {
      const isLast = worker === workers.at(-1);
      worker.start(launch(worker), stdinFor(number), isLast ? onReleased : undefined);
    } catch (error) {
      if (worker === workers[0]) throw error;
      return { worker, reason: `worker ${number} cannot be started: ${errorText(error)}` };
    }
  }
  return null;
}
