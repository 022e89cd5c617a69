/**
 * Brings a generation to the number of workers that it is to have: starts those that it lacks, and ends those that are
 * too many.
 */
import type { Restarts } from "./restarts.ts";
import { isComplete, surplus } from "./size.ts";
import type { Worker } from "./worker.ts";

interface SizingOptions {
  readonly all: () => readonly Worker[];
  readonly restarts: Pick<Restarts, "schedule" | "isCrashing">;
  /** Whether `worker` gets no new connections. */
  isAside(worker: Worker): boolean;
  start(number: number): void;
  /** Ends `worker`. */
  stop(worker: Worker): void;
  /** `worker` has exited, and no other one is to take its place. */
  leave(worker: Worker): void;
  /** The generation has the number of workers that the lifecycle waits for. */
  onScaled(size: number): void;
}

export class Sizing {
  size = 0;
  /** Whether the lifecycle waits for the number. */
  #isScaling = false;

  constructor(readonly options: SizingOptions) {}

  /** @param size at least 1 */
  scale(size: number): void {
    const { all, restarts, start, leave } = this.options;
    this.size = size;
    for (const worker of all()) if (worker.number >= size && worker.hasExited) leave(worker);
    this.trim();
    for (let number = 0; number < size; number++) {
      const worker = all().find((each) => each.number === number);
      if (worker === undefined) start(number);
      else if (worker.hasExited) restarts.schedule(worker);
    }
    this.#isScaling = true;
    this.check();
  }

  /** Continues after a time in which no worker was replaced: the generation has drained, or another baton had it. */
  restore(): void {
    const { all, stop, isAside } = this.options;
    for (const worker of all()) {
      const { server, isActive, facts, adoptTarget } = worker;
      if (!server.isStarted) worker.end();
      if (!isActive || adoptTarget.isRising) continue;
      // A worker with a stop signal, or aside, was to end: it was unhealthy, or too many.
      const isAlone = all().every((each) => each === worker || each.state !== "serving");
      if (facts.stopSent || isAside(worker) && !isAlone) stop(worker);
    }
    this.scale(this.size);
  }

  /** Ends the workers that are too many. */
  trim(): void {
    for (const worker of surplus(this.options.all(), this.size)) this.options.stop(worker);
  }

  /** A worker has come, or gone, or crashes in a loop. */
  check(): void {
    const { all, restarts, onScaled } = this.options;
    const isCrashing = ({ number }: Worker) => restarts.isCrashing(number);
    if (!this.#isScaling || !isComplete(all(), this.size, isCrashing)) return;
    this.#isScaling = false;
    onScaled(this.size);
  }
}
