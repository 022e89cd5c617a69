/** Workers that start beside others of their generation, which serve: each has a gate of its own, and a time for that. */
import { crashDelayMs } from "../../lifecycle/backoff.ts";
import type { Timer } from "../../platform/clock.ts";
import { errorText } from "../../platform/error.ts";
import type { RunningContext } from "../context.ts";
import { LeftQueues } from "./left_queues.ts";
import type { WorkerLaunch } from "./worker_parts.ts";
import type { Worker } from "./worker.ts";

/** A worker that has served for this long begins a new row of exits, if it exits. */
const HEALTHY_AFTER_MS = 10_000;

interface RestartsOptions {
  readonly context: RunningContext;
  launch(worker: Worker): WorkerLaunch;
  /** Makes the next worker with the number of `before`. */
  next(before: Worker): Worker;
  /** `worker` cannot be started. */
  onFailed(worker: Worker, reason: string): void;
}

export class Restarts {
  /** Exits in a row, by worker number. */
  readonly #exits = new Map<number, number>();
  /**
   * By worker number: the timer of its next start, of its gate, or of the time that shows that it does not crash in a
   * row.
   */
  readonly #timers = new Map<number, Timer>();

  readonly #leftQueues: LeftQueues;

  constructor(readonly options: RestartsOptions) {
    this.#leftQueues = new LeftQueues(options.context, (worker) => this.schedule(worker));
  }

  #after(number: number, delayMs: number, then: () => void): void {
    this.forget(number);
    const fire = () => {
      this.#timers.delete(number);
      then();
    };
    this.#timers.set(number, this.options.context.platform.clock.after(delayMs, fire));
  }

  /** Forgets what is to come for this number. */
  forget(number: number): void {
    this.#timers.get(number)?.cancel();
    this.#timers.delete(number);
  }

  isComing(number: number): boolean {
    return this.#timers.has(number);
  }

  /** `worker` has exited: another one with its number is started, at once or after a pause. */
  schedule(worker: Worker): void {
    const { number } = worker;
    if (this.isComing(number)) return;
    const { config, log } = this.options.context;
    const exits = (this.#exits.get(number) ?? 0) + 1;
    this.#exits.set(number, exits);
    const { crashDelayMs: firstMs, crashDelayMaxMs: maxDelayMs } = config;
    // Exits in a row have no limit: the other workers serve.
    const delayMs = crashDelayMs(exits, { delayMs: firstMs, maxDelayMs });
    if (delayMs > 0) log(`worker ${number} starts again in ${delayMs} ms`);
    this.#after(number, delayMs, () => {
      const next = this.options.next(worker);
      this.start(next);
      // Orphans of the worker before are no descendants of the next one.
      if (next.server.isStarted) worker.server.replacedAt = next.server.startTime;
      worker.release();
    });
  }

  /** As `schedule()`, if clients wait in the queues of `worker`. */
  serveQueues(worker: Worker, onEmpty = () => {}): void {
    this.#leftQueues.look(worker, onEmpty);
  }

  /** The generation drains: `worker`, which has exited, starts again only if clients wait in its queues. */
  rest(worker: Worker, onEmpty = () => {}): void {
    if (!this.#leftQueues.isEmpty(worker)) return this.schedule(worker);
    this.forget(worker.number);
    this.serveQueues(worker, onEmpty);
  }

  /**
   * The worker is asked to end. If it serves and is no longer wanted, nothing that happens from now on is a crash in a
   * row.
   */
  leave({ number, state }: Worker, isReplaced: boolean): void {
    this.forget(number);
    if (!isReplaced && state === "serving") this.#exits.delete(number);
  }

  /** Whether it has exited more than once in a row: then it is unknown when it will serve. */
  isCrashing(number: number): boolean {
    return (this.#exits.get(number) ?? 0) > 1;
  }

  start(worker: Worker): void {
    const { launch, context } = this.options;
    const { log, foreground } = context;
    const name = worker.parts.name();
    try {
      worker.start(launch(worker), foreground.stdinFor(false));
      log(`${name} starts`);
      this.#limitStart(worker);
    } catch (error) {
      worker.end();
      this.options.onFailed(worker, `it cannot be started: ${errorText(error)}`);
    }
  }

  /** Continues with a worker that an earlier baton has started, and did not see pass its gate. */
  resume(worker: Worker): void {
    if (this.isComing(worker.number)) return;
    const { epoch, number } = worker;
    const { listeners } = this.options.context;
    this.#limitStart(worker);
    worker.beginGate(listeners.groups.flatMap((group) => group.membersOf(epoch, number)));
  }

  #limitStart(worker: Worker): void {
    const { config } = this.options.context;
    this.#after(worker.number, config.readyTimeoutMs, () => this.#onLate(worker));
  }

  #onLate(worker: Worker): void {
    const { config, logError } = this.options.context;
    worker.adoptTarget.refreshListeners();
    const reason = worker.gate.timeoutReason(config.readyTimeoutMs, []);
    logError(`${worker.parts.name()} is killed: ${reason}`);
    worker.server.kill();
  }

  /** The worker has passed its gate: it gets its part of the new connections. */
  admit(worker: Worker): void {
    worker.stand();
    this.options.context.log(`${worker.parts.name()} serves`);
    this.#after(worker.number, HEALTHY_AFTER_MS, () => {
      this.#exits.delete(worker.number);
      worker.adoptTarget.settle();
      worker.server.remember();
    });
  }

  close(): void {
    this.#leftQueues.close();
    for (const number of [...this.#timers.keys()]) this.forget(number);
  }
}
