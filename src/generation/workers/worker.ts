/**
 * One start of the server program within a generation, with all that is known of it alone: its processes, its listening
 * side, its gate and checks, its exit. Its number tells it from the others of its generation; one that replaces it has the
 * same.
 */
import type { ExitReport } from "../../lifecycle/vocabulary.ts";
import type { Fd } from "../../platform/fd.ts";
import { ServerProcess } from "../../process/server_process.ts";
import type { WorkerStatus } from "../../report/worker_status.ts";
import { admitWorker, isHeldBy } from "../../steering/worker_steering.ts";
import {
  NO_WORKER_FACTS,
  type WorkerFacts,
  workerFactsOf,
  type WorkerRecord,
} from "../../succession/state/resume_state.ts";
import { NotifyServer } from "../../systemd/notify_server.ts";
import { AdoptTarget } from "../adopt_target.ts";
import { capturedStreams } from "../captured_streams.ts";
import { builtInGate, Gate } from "../gate.ts";
import { Goodbye } from "../goodbye/goodbye.ts";
import { WorkerHealth } from "../worker_health.ts";
import { LeaderExit } from "../leader_exit.ts";
import type { GenerationParts, WorkerLaunch, WorkerParts, WorkerRemains } from "./worker_parts.ts";
import type { WorkerStop } from "./worker_stop.ts";

/** What a worker needs of its generation. */
export interface WorkerHost {
  readonly generation: GenerationParts;
  /** Whether the generation has passed its gate: a worker that starts now has a gate of its own. */
  readonly isPassed: boolean;
  /** For people. */
  nameOf(worker: Worker): string;
  limitStop(worker: Worker, delayMs: number): void;
  onChange(worker: Worker): void;
  /** Whether no other worker of its generation serves. */
  isAlone(worker: Worker): boolean;
  /** @param deaf none of its processes has its listeners any more */
  onUnhealthy(worker: Worker, reason: string, deaf?: true): void;
  onExited(worker: Worker, exit: ExitReport): void;
  fail(worker: Worker, reason: string, status?: number): void;
}

export class Worker {
  startedAt: Date;
  readonly facts: WorkerFacts = { ...NO_WORKER_FACTS };
  readonly gate: Gate;
  readonly health: WorkerHealth;
  readonly server: ServerProcess;
  readonly adoptTarget: AdoptTarget;
  readonly leaderExit: LeaderExit;
  readonly goodbye: Goodbye;
  readonly parts: WorkerParts;
  notify: NotifyServer | null = null;
  hasExited = false;
  /** How it ends while others of its generation do not; null: it is not ending, or they end with it. */
  stop: WorkerStop | null = null;

  #signalAtGate: number | null = null;

  /** @param restarts how often it was started before, beside its generation */
  constructor(readonly host: WorkerHost, readonly number: number, readonly restarts: number) {
    const { generation } = host;
    const { context, epoch, hints, inspection, wantsNotification, admission, stopping } =
      generation;
    const { platform, config, listeners } = context;
    this.startedAt = new Date(platform.clock.wallMs());
    const name = () => host.nameOf(this);
    const fail = (reason: string) => host.fail(this, reason);
    const onChange = () => host.onChange(this);
    this.health = new WorkerHealth({
      context,
      epoch,
      number,
      name,
      pid: () => this.pid,
      onChange,
      onUnhealthy: (reason) => host.onUnhealthy(this, reason),
      fail,
    });
    const ready = builtInGate(config.ready);
    const of = { epoch, worker: number };
    const gate = this.gate = new Gate(of, ready, listeners, wantsNotification, this.health);
    const server = this.server = this.#serverProcess();
    const { facts } = this;
    const { health } = this;
    const goodbye = this.goodbye = Goodbye.of({ context, epoch, number, name, gate, server }, {
      addReady: (check, startCheck) => health.addReady(check, startCheck),
      onChange,
    });
    health.awaited = () => goodbye.lookup.awaited;
    const shared = this.parts = {
      context,
      epoch,
      number,
      name,
      facts,
      hints,
      gate,
      server,
      goodbye,
    };
    this.adoptTarget = new AdoptTarget({
      ...shared,
      // A worker that starts later has the queues of its own number, and none of a crashed generation.
      replacementOf: () => this.adoptTarget.isRising ? null : generation.replacementOf,
      inspection,
      isPassed: () => host.isPassed,
      readsOutput: () => this.health.readsOutput,
      onChange,
      fail,
    });
    this.leaderExit = new LeaderExit({
      ...shared,
      stopping,
      admission,
      limitStop: (delayMs) => host.limitStop(this, delayMs),
      onExited: (exit) => this.#onExited(exit),
    });
  }

  #serverProcess(): ServerProcess {
    const { host, number: worker } = this;
    const { context, epoch } = host.generation;
    const { platform, children, migration, listeners, journal } = context;
    return new ServerProcess(platform, children, {
      epoch,
      worker,
      calls: () => ({
        // What the poll thread has taken from the kernel and not passed on is lost when baton is killed.
        lettingPass: !context.config.survive,
        isAwaited: () => migration?.pendingAccepts.isEmpty === false,
      }),
      onNotification: (notify, notification) => this.adoptTarget.answer(notify, notification),
      onOutput: (stream, bytes) => this.health.onOutput(stream, bytes),
      onPrepared: () => journal.write(),
      onLaunchFailed: (status, message) => host.fail(this, message, status),
      onLeaderExit: (status, remaining) => this.leaderExit.onLeaderExit(status, remaining),
      onAllExited: () => this.leaderExit.onAllExited(),
      holdsMember: (pid) => isHeldBy(listeners, pid, epoch, worker),
    });
  }

  get epoch(): number {
    return this.host.generation.epoch;
  }

  get pid(): number | null {
    return this.server.isStarted ? this.server.pid : null;
  }

  get state(): WorkerStatus["state"] {
    if (this.hasExited || !this.server.isStarted) return "exited";
    if (this.stop !== null) return this.stop.phase;
    if (this.facts.stopSent) return "stopping";
    return this.facts.readyTicks > 0 ? "serving" : "starting";
  }

  /** Whether it is there, and is to stay. */
  get isActive(): boolean {
    return !this.hasExited && this.server.isStarted && this.stop === null;
  }

  /** @throws when the launcher cannot be spawned */
  start({ plan, members }: WorkerLaunch, stdin: Fd | number, onReleased = () => {}): void {
    this.goodbye.onStart();
    this.server.start({
      plan: { ...plan, spared: this.adoptTarget.spared },
      stdin,
      captured: capturedStreams(this.host.generation.context, members.length),
      members: members.map((member) => member.heldUntilRetired),
      ready: this.health.openPipe(),
      onReleased,
    });
    this.beginGate(members);
  }

  beginGate(members: WorkerLaunch["members"]): void {
    this.health.startGateChecks();
    this.adoptTarget.watchAccepts(members);
  }

  resume(record: WorkerRecord, { notifyPath, notify, ...remains }: WorkerRemains): void {
    Object.assign(this.facts, workerFactsOf(record));
    this.startedAt = new Date(record.startedAt);
    this.gate.notified = record.notified;
    this.openNotify(notifyPath, notify);
    this.server.resume(record, remains);
    if (remains.isForeign) return;
    this.adoptTarget.watchWorkers();
    this.adoptTarget.letPass();
    this.leaderExit.resume();
  }

  /** After an earlier baton was killed: finds out what has happened since. */
  catchUp(): void {
    if (!this.server.isForeign) return;
    this.server.catchUp();
    this.leaderExit.resume();
    this.adoptTarget.watchWorkers();
  }

  /** Opens its NOTIFY_SOCKET, at another path if `path` cannot be used. */
  openNotify(path: string, resumed: Fd | null = null): NotifyServer {
    const isMember = (pid: number) => this.server.processes().includes(pid);
    const onNotify = (variables: ReadonlyMap<string, string>) => this.#onNotify(variables);
    const { platform } = this.host.generation.context;
    return this.notify = new NotifyServer(platform, path, isMember, onNotify, resumed);
  }

  #onNotify(variables: ReadonlyMap<string, string>): void {
    if (variables.get("READY") !== "1" || this.gate.notified) return;
    this.gate.notified = true;
    this.host.generation.context.log(`${this.host.nameOf(this)} sent READY=1`);
    this.host.onChange(this);
  }

  /** @returns whether it has passed its gate */
  checkGate(): boolean {
    this.goodbye.onGate();
    this.health.checkNow();
    if (this.gate.lacksRest && !this.hasExited) this.adoptTarget.rest.begin();
    return this.gate.isPassed;
  }

  /** Passes its gate with its generation. */
  stand(): void {
    const isFirst = this.facts.readyTicks === 0;
    this.health.onGatePassed();
    this.adoptTarget.stand();
    if (!isFirst) return;
    admitWorker(this.host.generation.context.listeners, this);
    if (this.#signalAtGate !== null) this.server.signal(this.#signalAtGate);
  }

  /**
   * Signals the server, but not before it has passed its gate: it may not handle the signal yet, and would die of it.
   */
  signalWhenReady(signal: number): void {
    if (this.facts.readyTicks > 0) this.server.signal(signal);
    else this.#signalAtGate = signal;
  }

  /** Its generation drains, and it drains with that, not alone any more. */
  cancelStop(): void {
    this.stop?.close();
    this.stop = null;
  }

  endLooks(): void {
    this.adoptTarget.rest.end();
  }

  #onExited(exit: ExitReport): void {
    if (this.hasExited) return;
    this.end();
    this.host.onExited(this, exit);
  }

  /** Ends the worker: it has exited, or will have no process. */
  end(): void {
    if (this.hasExited) return;
    this.hasExited = true;
    this.stop?.close();
    this.health.stop();
    this.goodbye.close();
    this.adoptTarget.endLooks();
    this.notify?.close();
  }

  /** Releases what it holds, once what it has left behind has exited. */
  release(): void {
    if (this.leaderExit.afterLeftovers(() => this.release())) return;
    this.stop?.close();
    this.health.close();
    this.adoptTarget.close();
    this.server.close();
    const { epoch, number: worker } = this;
    this.host.generation.context.journal.forgetCallsOf({ epoch, worker });
  }
}
