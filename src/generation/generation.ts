/** The runtime side of one generation: turns what happens to its parts into events, and decides nothing. */
import type { ExitReport, GenerationTimer } from "../lifecycle/vocabulary.ts";
import { EXIT_NEW_GENERATION_FAILED } from "../lifecycle/status.ts";
import { freeConnections } from "../migration/connection_table.ts";
import {
  factsOf,
  type GenerationFacts,
  type GenerationRecord,
  NO_FACTS,
} from "../succession/state/resume_state.ts";
import { Admission, type AdmissionSteps } from "./admission.ts";
import type { Inspection } from "./candidate/inspection.ts";
import { printsDirectly } from "./captured_streams.ts";
import type { RunningContext } from "./context.ts";
import type { GenerationHandle } from "./handle.ts";
import { Stopping } from "./stopping.ts";
import { Timers } from "./timers.ts";
import { checksOf } from "./workers/worker_checks.ts";
import { Workers } from "./workers/workers.ts";

export interface GenerationOptions {
  readonly replacementOf: number | null;
  readonly wantsNotification: boolean;
  readonly admissionSteps: AdmissionSteps | null;
  /** Looks at what it shares with the serving generation; null or missing: an earlier baton started it. */
  readonly inspection?: Inspection | null;
  /** How many workers it begins with. */
  readonly size: number;
  readonly launch: Workers["options"]["launch"];
}

export class RunningGeneration implements GenerationHandle {
  startedAt: Date;
  hasExited = false;
  /** Its process starts later, when no other generation is left (--order stop-first). */
  isWaiting = false;
  /** What has happened to it that its processes do not show. */
  readonly facts: GenerationFacts = { ...NO_FACTS };
  /** Possible reasons, shown if it fails. */
  readonly hints: string[] = [];
  readonly timers: Timers<GenerationTimer>;
  readonly workers: Workers;
  readonly admission: Admission;
  readonly inspection: Inspection | null;
  readonly wantsNotification: boolean;
  replacementOf: number | null;
  readonly stopping: Stopping;

  constructor(
    readonly context: RunningContext,
    readonly epoch: number,
    options: GenerationOptions,
  ) {
    const { admissionSteps, inspection = null, size, launch } = options;
    const { config, platform } = context;
    const { facts, hints } = this;
    this.startedAt = new Date(platform.clock.wallMs());
    this.replacementOf = options.replacementOf;
    this.wantsNotification = options.wantsNotification;
    this.inspection = inspection;
    const timers = this.timers = new Timers(platform.clock, (timer) => this.#onTimer(timer));
    this.admission = new Admission({
      steps: admissionSteps,
      inspection,
      candidate: this,
      restartReadyTimer: () => timers.arm("ready", config.readyTimeoutMs),
      onAdmitted: () => this.#checkGate(),
      onVeto: (reason, isStarted) => isStarted ? this.#fail(reason) : this.failBeforeStart(reason),
    });
    const workers = () => this.workers;
    this.stopping = new Stopping({ context, epoch, facts, hints, workers, timers });
    this.workers = new Workers(this, {
      facts,
      timers,
      launch,
      onChange: () => this.#checkGate(),
      fail: (reason, status) => this.#fail(reason, status),
      onExited: (exit) => this.#onExited(exit),
    });
    this.workers.begin(size);
  }

  get notified(): boolean {
    return this.workers.all.some(({ gate }) => gate.notified);
  }

  get losses(): GenerationHandle["losses"] {
    const { cut, undecided, kept } = this.facts;
    return { cut, undecided, kept, seen: this.stopping.seen.size };
  }

  get inspected(): GenerationHandle["inspected"] {
    return this.admission.inspected;
  }

  get tracks(): Stopping["tracks"] {
    return this.stopping.tracks;
  }

  get takesConnections(): boolean {
    const { seccomp } = this.context.platform;
    const filters = this.workers.all.flatMap(({ server }) => server.filter ?? []);
    return this.facts.takesConnections &&
      filters.some((filter) => seccomp.canAnswerWithDescriptor(filter));
  }

  get checks(): GenerationHandle["checks"] {
    return checksOf(this.workers.all);
  }

  get output(): GenerationHandle["output"] {
    return this.admission.vetoOutput ?? this.workers.output;
  }

  get outputIsDirect(): boolean {
    const isHandedOver = this.workers.all.some(({ facts }) => facts.handedOver);
    return this.admission.vetoOutput === null && this.workers.isStarted &&
      printsDirectly(this.context, isHandedOver);
  }

  get pid(): number | null {
    return this.workers.pid;
  }

  processes(workers?: number): number[] {
    return this.workers.processes(workers);
  }

  /** Whether it has served for a while, and counts as a new one no longer. */
  get isSettled(): boolean {
    return this.workers.all.some(({ facts }) => facts.isSettled);
  }

  /**
   * @param isAlone no other generation is alive
   * @param onReleased its programs run from now on, and take a while to start
   * @throws when no launcher can be spawned
   */
  start(isAlone: boolean, onReleased: () => void): void {
    this.workers.start(isAlone, onReleased);
  }

  /** Waits for the gate, as the earlier baton did that has started its processes. */
  resumeGate(): void {
    const { groups } = this.context.listeners;
    for (const worker of this.workers.alive) {
      worker.beginGate(groups.flatMap((group) => group.membersOf(this.epoch, worker.number)));
    }
    this.#checkGate();
  }

  /** Takes over what an earlier baton has noted, before its workers are resumed. */
  resume(record: GenerationRecord): void {
    Object.assign(this.facts, factsOf(record));
    this.hints.push(...record.hints);
    this.startedAt = new Date(record.startedAt);
  }

  /** After an earlier baton was killed or replaced: finds out what has happened since. */
  catchUp(): void {
    for (const worker of this.workers.all) worker.catchUp();
    if (this.facts.takesConnections) freeConnections(this.context, () => this.processes());
  }

  #checkGate(): void {
    const passed = this.workers.all.map((worker) => worker.checkGate());
    if (!passed.every(Boolean) || !this.admission.admits()) return;
    for (const worker of this.workers.all) worker.stand();
    this.context.dispatch({ kind: "ready", epoch: this.epoch });
  }

  #fail(reason: string, status: number = EXIT_NEW_GENERATION_FAILED): void {
    for (const worker of this.workers.all) worker.endLooks();
    this.context.dispatch({ kind: "failed", epoch: this.epoch, reason, status });
  }

  /** Fails the generation before it has a process. */
  failBeforeStart(reason: string, status: number = EXIT_NEW_GENERATION_FAILED): void {
    this.#fail(reason, status);
    for (const worker of this.workers.all) worker.end();
    this.#onExited({ status, asRequested: false, text: reason });
  }

  #onExited(exit: ExitReport): void {
    if (this.hasExited) return;
    this.hasExited = true;
    this.admission.cancel();
    this.stopping.cancel();
    const { epoch, facts: { cut } } = this;
    this.context.dispatch({ kind: "exited", epoch, exit: { ...exit, cut } });
  }

  retire(): void {
    const { context: { listeners, adopter }, epoch } = this;
    const isLeft = this.workers.all.some(({ leaderExit }) =>
      leaderExit.afterLeftovers(() => {
        // Processes that it has left behind may have listened once more.
        listeners.retire(epoch);
        this.retire();
      })
    );
    if (isLeft) return;
    this.timers.clear();
    this.workers.close();
    adopter.source.forget(epoch);
  }

  noteSockets(kind: "datagrams" | "connections"): void {
    this.stopping.noteSockets(kind);
  }

  stopTimeMs(drainMs: number): number {
    return this.stopping.stopTimeMs(drainMs);
  }

  beginDrain(isShutdown: boolean, successor: GenerationHandle | null): void {
    for (const { health } of this.workers.all) health.stop();
    this.workers.rest();
    this.stopping.beginDrain(isShutdown, successor);
  }

  stopLiveChecks(): void {
    for (const { health } of this.workers.all) health.stopLiveChecks();
  }

  startLiveChecks(): void {
    for (const { health } of this.workers.all) health.startLiveChecks();
  }

  resumeServing(): void {
    this.stopping.resumeServing();
    this.startLiveChecks();
    this.workers.restore();
  }

  signalStop(): void {
    if (!this.workers.isStarted) return this.kill();
    this.stopping.signalStop();
  }

  kill(isOverdue = false): void {
    if (this.isWaiting) return this.failBeforeStart("it was stopped before its start");
    const isEmpty = this.processes().length === 0;
    const hasLeftovers = this.workers.all.some(({ leaderExit }) => leaderExit.hasLeftovers);
    if (this.hasExited && (isEmpty || hasLeftovers)) return;
    if (this.admission.cancel() && !this.workers.isStarted) return;
    this.stopping.kill(isOverdue);
    // Without a visible process there is no exit to wait for.
    if (isEmpty) this.workers.all.forEach(({ leaderExit }) => leaderExit.onAllExited());
  }

  forwardSignal(signal: number): void {
    this.workers.signal(signal);
  }

  /** Finds listeners that no process holds any more, and gives them up. */
  lookForClosed(): void {
    for (const { adoptTarget } of this.workers.all) adoptTarget.lookForClosed();
  }

  /** Finds the listeners that the server has closed, or left behind with a dead process. */
  refreshListeners(): void {
    for (const { adoptTarget } of this.workers.all) adoptTarget.refreshListeners();
  }

  onHint(text: string): void {
    if (!this.hints.includes(text)) this.hints.push(text);
  }

  #onTimer(timer: GenerationTimer): void {
    const { epoch, context: { dispatch } } = this;
    switch (timer) {
      case "ready":
        return this.#onLate();
      case "bake":
        return dispatch({ kind: "bake_elapsed", epoch });
      case "health":
        for (const { adoptTarget, server } of this.workers.all) {
          adoptTarget.settle();
          server.remember();
        }
        return dispatch({ kind: "healthy", epoch });
      default:
        return dispatch({ kind: `${timer}_timed_out`, epoch });
    }
  }

  #onLate(): void {
    const { admission, workers, context: { foreground, config } } = this;
    // An admission step has its own time-out, and restarts this timer.
    if (admission.isBusy) return;
    // A generation is not timed out while a person is at its terminal: a shell, a debugger.
    if (workers.all.some(({ pid }) => foreground.isHeldBy(pid ?? 0))) return;
    this.refreshListeners();
    this.hints.push(...admission.obstacles);
    const late = workers.all.find(({ gate }) => !gate.isPassed) ?? workers.all[0]!;
    const reason = late.gate.timeoutReason(config.readyTimeoutMs, this.hints);
    workers.fail(late, workers.size === 1 ? reason : `worker ${late.number} is ${reason}`);
  }
}
