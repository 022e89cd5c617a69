/**
 * The workers of one generation: those that it has, how many it is to have, and what all of them together are to the
 * parts of a generation that need not tell them apart.
 */
import type { ExitReport, GenerationTimer } from "../../lifecycle/vocabulary.ts";
import { EXIT_SYSTEM } from "../../lifecycle/status.ts";
import type { CandidateOutput } from "../../output/candidate_output.ts";
import { isAside, retireWorker, setWorkerAside } from "../../steering/worker_steering.ts";
import type { GenerationFacts, WorkerRecord } from "../../succession/state/resume_state.ts";
import type { ServerTree } from "../handle.ts";
import type { Timers } from "../timers.ts";
import { Restarts } from "./restarts.ts";
import { startAll } from "./start_all.ts";
import { Sizing } from "./sizing.ts";
import { Worker, type WorkerHost } from "./worker.ts";
import { afterWorkerExit, mostTelling } from "./worker_exit.ts";
import type { GenerationParts, WorkerLaunch } from "./worker_parts.ts";
import { WorkerStop } from "./worker_stop.ts";

interface WorkersOptions {
  readonly facts: GenerationFacts;
  readonly timers: Timers<GenerationTimer>;
  /** Makes a worker's NOTIFY_SOCKET, plan and members. @throws what keeps it from being started */
  readonly launch: (worker: Worker) => WorkerLaunch;
  /** The gate of the generation is to be asked. */
  readonly onChange: () => void;
  readonly fail: (reason: string, status?: number) => void;
  /** The last worker has exited. */
  readonly onExited: (exit: ExitReport) => void;
}

export class Workers implements ServerTree, WorkerHost {
  /** The worker whose end, or failure, was the first. */
  failed: Worker | null = null;
  readonly #all = new Map<number, Worker>();
  readonly #restarts: Restarts;
  readonly #sizing: Sizing;
  /** Exits of workers that the generation does not outlive. */
  readonly #exits: ExitReport[] = [];
  #isKilled = false;
  /** The generation drains. */
  #isResting = false;

  constructor(readonly generation: GenerationParts, readonly options: WorkersOptions) {
    const { context, epoch } = generation;
    const restarts = this.#restarts = new Restarts({
      context,
      launch: options.launch,
      next: ({ number, restarts }) => this.#add(number, restarts + 1),
      onFailed: (worker, text) =>
        this.onExited(worker, { status: EXIT_SYSTEM, asRequested: false, text }),
    });
    this.#sizing = new Sizing({
      all: () => this.all,
      restarts,
      isAside: (worker) => isAside(context.listeners, worker),
      start: (number) => restarts.start(this.#add(number, 0)),
      stop: (worker) => this.#stop(worker),
      leave: (worker) => this.#leave(worker),
      onScaled: (workers) => context.dispatch({ kind: "scaled", epoch, workers }),
    });
  }

  /** How many workers the generation is to have. */
  get size(): number {
    return this.#sizing.size;
  }

  limitStop({ stop }: Worker, delayMs: number): void {
    const { facts, timers } = this.options;
    if (facts.stopSent || stop === null) timers.limit("stop", delayMs);
    else stop.limit(delayMs);
  }

  /** Makes the workers of a generation that is about to start. */
  begin(size: number): void {
    this.#sizing.size = size;
    for (let number = 0; number < size; number++) this.#add(number, 0);
  }

  #add(number: number, restarts: number): Worker {
    const worker = new Worker(this, number, restarts);
    this.#all.set(number, worker);
    return worker;
  }

  /** Adds a worker that an earlier baton started. */
  resume({ number, restarts }: Pick<WorkerRecord, "number" | "restarts">): Worker {
    return this.#add(number, restarts);
  }

  get all(): readonly Worker[] {
    return [...this.#all.values()].sort((a, b) => a.number - b.number);
  }

  get alive(): readonly Worker[] {
    return this.all.filter(({ hasExited, server }) => !hasExited && server.isStarted);
  }

  get(number: number): Worker | null {
    return this.#all.get(number) ?? null;
  }

  nameOf({ number, epoch }: Worker): string {
    const isAlone = this.size === 1 && this.#all.size === 1;
    return isAlone ? `generation ${epoch}` : `worker ${number} of generation ${epoch}`;
  }

  get isStarted(): boolean {
    return this.all.some(({ server }) => server.isStarted);
  }

  /** The generation has passed its gate. */
  get isPassed(): boolean {
    return this.all.some(({ facts }) => facts.readyTicks > 0);
  }

  get pid(): number | null {
    return (this.alive[0] ?? this.all.find(({ server }) => server.isStarted))?.pid ?? null;
  }

  /** Output of the worker that has failed, or else of the first one. */
  get output(): CandidateOutput | null {
    const { server } = this.failed ?? this.all[0]!;
    return server.isStarted ? server.output : null;
  }

  processes(most = Infinity): number[] {
    return [...new Set(this.all.slice(0, most).flatMap(({ server }) => server.processes()))];
  }

  signal(signal: number): void {
    for (const worker of this.all) worker.signalWhenReady(signal);
  }

  signalStop(signal: number): void {
    this.#restarts.close();
    for (const { facts, server, stop } of this.all) {
      stop?.close();
      const hasIt = facts.stopSent;
      facts.stopSent = true;
      if (!hasIt) server.signal(signal);
    }
  }

  kill(): void {
    this.#isKilled = true;
    this.#restarts.close();
    for (const { server, stop } of this.all) {
      stop?.close();
      server.kill();
    }
  }

  /** Starts the workers of a candidate. @throws what keeps the first one from it */
  start(isAlone: boolean, onReleased: () => void): void {
    const { generation: { context: { foreground } }, options: { launch } } = this;
    // Only the first worker may have the terminal.
    const stdinFor = (number: number) => foreground.stdinFor(isAlone && number === 0);
    const failed = startAll(this.all, { launch, stdinFor, onReleased });
    if (failed !== null) this.fail(failed.worker, failed.reason);
  }

  /** After the gate: starts more workers, or ends those with the highest numbers. @param size at least 1 */
  scale(size: number): void {
    this.#sizing.scale(size);
  }

  /** Continues with a worker that an earlier baton has started beside others, and has not seen pass its gate. */
  resumeStart(worker: Worker): void {
    this.#restarts.resume(worker);
    this.onChange(worker);
  }

  /** A worker has exited, or is to end: another one with its number takes its place. */
  replace(number: number): void {
    const worker = this.#all.get(number);
    if (worker?.isActive) return this.#stop(worker);
    if (!worker?.hasExited) return;
    this.#restarts.schedule(worker);
    this.#sizing.check();
  }

  /** The generation drains: none is replaced any more, unless clients wait for it. */
  rest(): void {
    this.#isResting = true;
    for (const worker of this.all) {
      if (worker.hasExited) this.#restarts.rest(worker);
      // The worker drains with the others now: its own mover and theirs must not have the same connections.
      else if (worker.stop?.phase === "draining") worker.cancelStop();
    }
  }

  /** The generation serves again: starts the workers that have exited, or were missing, while none was replaced. */
  restore(): void {
    this.#isResting = false;
    this.#sizing.restore();
  }

  #stop(worker: Worker): void {
    const { parts, health, number } = worker;
    const { generation: { stopping: { policy }, context }, options: { facts } } = this;
    const isReplaced = number < this.size;
    this.#restarts.leave(worker, isReplaced);
    context.log(`${this.nameOf(worker)} drains`);
    worker.stop = new WorkerStop({ worker: parts, health, policy, facts, isReplaced });
    worker.stop.begin();
  }

  /** An unwanted worker has exited. Clients may wait in the queues of one that was not asked to end. */
  #leave(worker: Worker): void {
    const { stopSent, readyTicks } = worker.facts;
    if (stopSent || readyTicks === 0) return this.#retire(worker);
    this.#restarts.rest(worker, () => this.#retire(worker));
  }

  #retire(worker: Worker): void {
    const { number } = worker;
    if (this.#all.get(number) !== worker) return;
    this.#restarts.forget(number);
    retireWorker(this.generation.context.listeners, worker);
    this.#all.delete(number);
    worker.release();
    // A higher number may be wanted again by now.
    if (number < this.size) this.#restarts.start(this.#add(number, 0));
    this.#sizing.check();
  }

  onChange(worker: Worker): void {
    if (!worker.adoptTarget.isRising) return this.options.onChange();
    if (!worker.isActive || !worker.checkGate()) return;
    this.#restarts.admit(worker);
    this.#sizing.trim();
    this.#sizing.check();
  }

  #othersThan(worker: Worker): readonly Worker[] {
    return this.all.filter((each) => each !== worker && each.state === "serving");
  }

  isAlone(worker: Worker): boolean {
    return this.#othersThan(worker).length === 0;
  }

  onUnhealthy(worker: Worker, reason: string, deaf?: true): void {
    const { epoch, context } = this.generation;
    const isSpared = this.#othersThan(worker).some(({ health }) => health.isWell);
    const more = { ...deaf && { deaf }, ...isSpared && { worker: worker.number } };
    context.dispatch({ kind: "unhealthy", epoch, reason, ...more });
  }

  fail(worker: Worker, reason: string, status?: number): void {
    // A worker that has started beside others fails alone: its exit follows.
    if (worker.adoptTarget.isRising) {
      return this.generation.context.logError(`${this.nameOf(worker)}: ${reason}`);
    }
    this.failed ??= worker;
    this.options.fail(reason, status);
  }

  onExited(worker: Worker, exit: ExitReport): void {
    const { context: { listeners, dispatch, logError }, epoch } = this.generation;
    const { number } = worker;
    const decision = afterWorkerExit({
      isEnding: this.options.facts.stopSent || this.#isKilled,
      wasStopped: worker.stop !== null,
      others: this.alive.length,
      isWanted: number < this.size,
    });
    this.#restarts.forget(number);
    switch (decision) {
      case "generation exited":
        this.failed ??= worker;
        return this.options.onExited(mostTelling([...this.#exits, exit]));
      case "wait":
        return void this.#exits.push(exit);
      case "retire":
        setWorkerAside(listeners, worker, true);
        return this.#leave(worker);
      case "replace":
        setWorkerAside(listeners, worker, true);
        return this.replace(number);
      case "report": {
        if (!this.isPassed) this.failed ??= worker;
        // Clients that wait in its queues are for the next worker with its number.
        setWorkerAside(listeners, worker, true);
        const isLeft = this.#isResting || listeners.servingEpoch !== epoch;
        if (this.isPassed && isLeft) this.#restarts.serveQueues(worker);
        logError(`${this.nameOf(worker)} exited: ${exit.text}`);
        const reason = `worker ${number} exited: ${exit.text}`;
        dispatch({ kind: "worker_exited", epoch, worker: number, reason, status: exit.status });
      }
    }
  }

  close(): void {
    this.#restarts.close();
    for (const worker of this.all) worker.release();
  }
}
