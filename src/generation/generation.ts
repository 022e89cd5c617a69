/** The runtime side of one generation: turns what happens to its parts into events, and decides nothing. */
import type { ExitReport, GenerationTimer } from "../lifecycle/vocabulary.ts";
import { EXIT_NEW_GENERATION_FAILED } from "../lifecycle/status.ts";
import { ServerProcess } from "../process/server_process.ts";
import { factsOf, type GenerationFacts, NO_FACTS } from "../succession/state/resume_state.ts";
import { NotifyServer } from "../systemd/notify_server.ts";
import { AdoptTarget } from "./adopt_target.ts";
import { Admission } from "./admission.ts";
import { capturedStreams, printsDirectly } from "./captured_streams.ts";
import type { RunningContext } from "./context.ts";
import { builtInGate, Gate } from "./gate.ts";
import { GenerationHealth } from "./generation_health.ts";
import type { GenerationHandle, GenerationOptions, ResumeOptions, StartOptions } from "./handle.ts";
import { LeaderExit } from "./leader_exit.ts";
import { Stopping } from "./stopping.ts";
import { Timers } from "./timers.ts";

export class RunningGeneration implements GenerationHandle {
  startedAt: Date;
  hasExited = false;
  replacementOf: number | null;
  /** It is admitted, and its process starts later. */
  isWaiting = false;
  notify: NotifyServer | null = null;
  /** What has happened to it that its processes do not show. */
  readonly facts: GenerationFacts = { ...NO_FACTS };
  /** Possible reasons, shown if it fails. */
  readonly hints: string[] = [];
  readonly timers: Timers<GenerationTimer>;
  readonly health: GenerationHealth;
  readonly gate: Gate;
  readonly server: ServerProcess;
  readonly adoptTarget: AdoptTarget;
  readonly admission: Admission;
  readonly #stopping: Stopping;
  readonly #leaderExit: LeaderExit;

  constructor(
    readonly context: RunningContext,
    readonly epoch: number,
    { replacementOf, wantsNotification, admissionSteps, inspection = null }: GenerationOptions,
  ) {
    const { config, listeners, platform } = context;
    const { facts, hints } = this;
    this.startedAt = new Date(platform.clock.wallMs());
    this.replacementOf = replacementOf;
    const onChange = () => this.#checkGate();
    const fail = (reason: string) => this.#fail(reason);
    const timers = this.timers = new Timers(platform.clock, (timer) => this.#onTimer(timer));
    this.health = new GenerationHealth({ context, epoch, pid: () => this.pid, onChange, fail });
    const ready = builtInGate(config.ready);
    const gate = this.gate = new Gate(epoch, ready, listeners, wantsNotification, this.health);
    const server = this.server = this.#serverProcess();
    const shared = { context, epoch, facts, hints, gate, server, timers };
    this.adoptTarget = new AdoptTarget({
      ...shared,
      replacementOf: () => this.replacementOf,
      inspection,
      readsOutput: () => this.health.readsOutput,
      onChange,
      fail,
    });
    this.admission = new Admission({
      steps: admissionSteps,
      inspection,
      candidate: this,
      restartReadyTimer: () => timers.arm("ready", config.readyTimeoutMs),
      onAdmitted: onChange,
      onVeto: (reason, isStarted) => isStarted ? fail(reason) : this.failBeforeStart(reason),
    });
    const stopping = this.#stopping = new Stopping(shared);
    const onExited = (exit: ExitReport) => this.#onExited(exit);
    this.#leaderExit = new LeaderExit({ ...shared, stopping, admission: this.admission, onExited });
  }

  #serverProcess(): ServerProcess {
    const { context, epoch } = this;
    const { platform, children, migration, listeners, journal } = context;
    return new ServerProcess(platform, children, {
      epoch,
      calls: () => ({
        // What the poll thread has taken from the kernel and not passed on is lost when baton is killed.
        lettingPass: !context.config.survive,
        isAwaited: () => migration?.pendingAccepts.isEmpty === false,
      }),
      onNotification: (notify, notification) => this.adoptTarget.answer(notify, notification),
      onOutput: (stream, bytes) => this.health.onOutput(stream, bytes),
      onPrepared: () => journal.write(),
      onLaunchFailed: (status, message) => this.#fail(message, status),
      onLeaderExit: (status, remaining) => this.#leaderExit.onLeaderExit(status, remaining),
      onAllExited: () => this.#leaderExit.onAllExited(),
      holdsMember: (pid) => listeners.isHeldBy(pid, epoch),
    });
  }

  get notified(): boolean {
    return this.gate.notified;
  }

  get losses(): GenerationHandle["losses"] {
    const { cut, undecided, kept } = this.facts;
    return { cut, undecided, kept, seen: this.#stopping.seen.size };
  }

  get inspected(): GenerationHandle["inspected"] {
    return this.admission.inspected;
  }

  get tracks(): Stopping["tracks"] {
    return this.#stopping.tracks;
  }

  get takesConnections(): boolean {
    const { filter } = this.server;
    return this.facts.takesConnections && filter !== null &&
      this.context.platform.seccomp.canAnswerWithDescriptor(filter);
  }

  get checks(): GenerationHealth["views"] {
    return this.health.views;
  }

  get output(): GenerationHandle["output"] {
    return this.admission.vetoOutput ?? (this.server.isStarted ? this.server.output : null);
  }

  get outputIsDirect(): boolean {
    return this.admission.vetoOutput === null && this.server.isStarted &&
      printsDirectly(this.context, this.facts.handedOver);
  }

  get pid(): number | null {
    return this.server.isStarted ? this.server.pid : null;
  }

  processes(): number[] {
    return this.server.processes();
  }

  /** @throws when the launcher cannot be spawned */
  start({ plan, isAlone, members, onReleased }: StartOptions): void {
    this.facts.takesConnections = this.context.migration?.isTrappedBy(plan.trap) ?? false;
    this.server.start({
      plan: { ...plan, spared: this.adoptTarget.spared },
      stdin: this.context.foreground.stdinFor(isAlone),
      captured: capturedStreams(this.context, members.length),
      members: members.map((member) => member.heldUntilRetired),
      ready: this.health.openPipe(),
      onReleased,
    });
    this.beginGate(members);
  }

  beginGate(members: StartOptions["members"], isResumed = false): void {
    this.health.startGateChecks();
    this.adoptTarget.watchAccepts(members);
    if (isResumed) this.#checkGate();
  }

  resume({ record, notifyPath, notify, ...remains }: ResumeOptions): void {
    Object.assign(this.facts, factsOf(record));
    this.hints.push(...record.hints);
    this.startedAt = new Date(record.startedAt);
    this.gate.notified = record.notified;
    this.openNotify(notifyPath, notify);
    this.server.resume(record, remains);
    if (remains.isForeign) return;
    this.adoptTarget.watchWorkers();
    this.adoptTarget.letPass();
    this.#leaderExit.resume();
  }

  /** After an earlier baton was killed: finds out what has happened since. */
  catchUp(): void {
    this.server.catchUp();
    this.#leaderExit.resume();
    this.adoptTarget.watchWorkers();
    // The earlier baton may have held its connections back.
    this.context.migration?.resumeAll(() => this.processes());
  }

  /** Its NOTIFY_SOCKET, at another path if `path` cannot be used. */
  openNotify(path: string, resumed: ResumeOptions["notify"] = null): NotifyServer {
    const isMember = (pid: number) => this.processes().includes(pid);
    const onNotify = (variables: ReadonlyMap<string, string>) => this.#onNotify(variables);
    const { platform } = this.context;
    return this.notify = new NotifyServer(platform, path, isMember, onNotify, resumed);
  }

  #onNotify(variables: ReadonlyMap<string, string>): void {
    if (variables.get("READY") !== "1" || this.gate.notified) return;
    this.gate.notified = true;
    this.context.log(`generation ${this.epoch} sent READY=1`);
    this.#checkGate();
  }

  #checkGate(): void {
    this.health.checkNow();
    if (this.gate.lacksRest && !this.hasExited) this.adoptTarget.rest.begin();
    if (!this.gate.isPassed || !this.admission.admits()) return;
    this.health.onGatePassed();
    this.adoptTarget.stand();
    this.context.dispatch({ kind: "ready", epoch: this.epoch });
  }

  #fail(reason: string, status: number = EXIT_NEW_GENERATION_FAILED): void {
    this.adoptTarget.rest.end();
    this.context.dispatch({ kind: "failed", epoch: this.epoch, reason, status });
  }

  /** There will be no process. */
  failBeforeStart(reason: string, status: number = EXIT_NEW_GENERATION_FAILED): void {
    this.#fail(reason, status);
    this.#onExited({ status, asRequested: false, text: reason });
  }

  #onExited(exit: ExitReport): void {
    if (this.hasExited) return;
    this.hasExited = true;
    this.health.stop();
    this.admission.cancel();
    this.#stopping.cancel();
    this.adoptTarget.endLooks();
    this.notify?.close();
    const { epoch, facts: { cut } } = this;
    this.context.dispatch({ kind: "exited", epoch, exit: { ...exit, cut } });
  }

  retire(): void {
    if (this.#leaderExit.afterLeftovers(() => this.retire())) return;
    this.timers.clear();
    this.health.close();
    this.adoptTarget.close();
    this.server.close();
    this.context.journal.forgetCallsOf(this.epoch);
  }

  noteSockets(kind: "datagrams" | "connections"): void {
    this.#stopping.noteSockets(kind);
  }

  stopTimeMs(drainMs: number): number {
    return this.#stopping.stopTimeMs(drainMs);
  }

  beginDrain(isShutdown: boolean, successor: GenerationHandle | null): void {
    this.health.stop();
    this.#stopping.beginDrain(isShutdown, successor);
  }

  stopLiveChecks(): void {
    this.health.stopLiveChecks();
  }

  resumeServing(): void {
    this.#stopping.resumeServing();
    this.health.startLiveChecks();
  }

  signalStop(): void {
    if (!this.server.isStarted) return this.kill();
    this.#stopping.signalStop();
  }

  kill(isOverdue = false): void {
    if (this.isWaiting) return this.failBeforeStart("it was stopped before its start");
    const isEmpty = this.processes().length === 0;
    if (this.hasExited && (isEmpty || this.#leaderExit.hasLeftovers)) return;
    if (this.admission.cancel() && !this.server.isStarted) return;
    this.#stopping.kill(isOverdue);
    // Without a visible process there is no exit to wait for.
    if (isEmpty) this.#leaderExit.onAllExited();
  }

  forwardSignal(signal: number): void {
    this.server.signal(signal);
  }

  #onTimer(timer: GenerationTimer): void {
    const { epoch, context: { dispatch, foreground, config } } = this;
    switch (timer) {
      case "ready":
        // An admission step has its own time-out, and restarts this timer.
        if (this.admission.isBusy) return;
        // A person is at its terminal: a shell, a debugger.
        if (foreground.isHeldBy(this.pid ?? 0)) return;
        this.adoptTarget.refreshListeners();
        this.hints.push(...this.admission.obstacles);
        return this.#fail(this.gate.timeoutReason(config.readyTimeoutMs, this.hints));
      case "bake":
        return dispatch({ kind: "bake_elapsed", epoch });
      case "health":
        this.adoptTarget.settle();
        this.server.remember();
        return dispatch({ kind: "healthy", epoch });
      default:
        return dispatch({ kind: `${timer}_timed_out`, epoch });
    }
  }
}
