/** One generation's runtime side: process, gate, drain, timers. What happens becomes events; decides nothing. */
import type { ResumeOptions, RunningContext, StartOptions } from "./context.ts";
import { EXIT_NEW_GENERATION_FAILED } from "../lifecycle/status.ts";
import type { ExitReport, GenerationTimer } from "../lifecycle/vocabulary.ts";
import type { Tracks } from "../drain/connections.ts";
import type { Fd } from "../platform/fd.ts";
import type { TrappedCall } from "../platform/process/seccomp.ts";
import { NotifyServer } from "../systemd/notify_server.ts";
import { factsOf, type GenerationFacts, NO_FACTS } from "../succession/state/resume_state.ts";
import { capturedStreams, printsDirectly } from "./captured_streams.ts";
import { AcceptWatch } from "../process/accept_watch.ts";
import type { Admission } from "./admission.ts";
import { builtInGate, Gate } from "./gate.ts";
import { GenerationHealth } from "./generation_health.ts";
import type { GenerationHandle, Losses } from "./handle.ts";
import { LeaderExitSteps } from "./leader_exit_steps.ts";
import type { CandidateOutput } from "../output/candidate_output.ts";
import { ServerProcess } from "../process/server_process.ts";
import type { CheckView } from "../report/snapshot.ts";
import { Stopping } from "./stopping.ts";
import { AdoptTarget } from "./adopt_target.ts";
import { Timers } from "./timers.ts";

export class RunningGeneration implements GenerationHandle {
  startedAt = new Date();
  readonly gate: Gate;
  readonly health: GenerationHealth;
  replacementOf: number | null;
  server: ServerProcess | null = null;
  /** What has happened to it that its processes do not show. */
  readonly facts: GenerationFacts = { ...NO_FACTS };
  notify: NotifyServer | null = null;
  admission: Admission | null = null;
  hasExited = false;
  readonly hints: string[] = [];
  readonly timers: Timers<GenerationTimer>;
  #acceptors: AcceptWatch | null = null;
  readonly adoptTarget: AdoptTarget;
  readonly #stopping: Stopping;
  readonly #leaving: LeaderExitSteps;

  constructor(
    readonly context: RunningContext,
    readonly epoch: number,
    options: { heirOf: number | null; wantsNotification: boolean },
  ) {
    this.replacementOf = options.heirOf;
    const { config, listeners, platform } = context;
    this.timers = new Timers(platform.clock, (timer) => this.#onTimer(timer));
    this.health = new GenerationHealth(this);
    const ready = builtInGate(config.ready);
    this.gate = new Gate(epoch, ready, listeners, options.wantsNotification, this.health);
    this.#stopping = new Stopping(this);
    this.#leaving = new LeaderExitSteps(this, this.#stopping, (exit) => this.#end(exit));
    this.adoptTarget = new AdoptTarget(this);
  }

  get notified(): boolean {
    return this.gate.notified;
  }

  get losses(): Losses {
    const { cut, undecided, kept } = this.facts;
    return { cut, undecided, kept, seen: this.#stopping.seen };
  }

  get tracks(): Tracks {
    return this.#stopping.tracks;
  }

  get takesConnections(): boolean {
    const filter = this.server?.filter ?? null;
    return this.facts.takesConnections && filter !== null &&
      this.context.platform.seccomp.canAnswerWithDescriptor(filter);
  }

  get checks(): readonly CheckView[] {
    return this.health.views;
  }

  get output(): CandidateOutput | null {
    return this.admission?.vetoOutput ?? this.server?.output ?? null;
  }

  onStrayReaped(): void {
    this.server?.onDescendantExit();
  }

  get pid(): number | null {
    return this.server?.pid ?? null;
  }

  /** It writes to baton's own descriptors: what it prints is not seen here any more. */
  get outputIsDirect(): boolean {
    return printsDirectly(this);
  }

  /** @throws when the launcher cannot even be spawned */
  start(options: StartOptions): void {
    const { context } = this;
    this.facts.takesConnections = context.migration?.isTrappedBy(options.plan.trap) ?? false;
    const server = this.#serverProcess();
    server.start({
      plan: options.plan,
      stdin: context.foreground.stdinFor(options.isAlone),
      captured: capturedStreams(context, options.members.length),
      members: options.members.map((member) => member.heldUntilRetired),
      ready: this.health.openPipe(),
    });
    this.server = server;
    this.health.startGateChecks();
    this.#acceptors = new AcceptWatch(context.platform, {
      members: options.members,
      processes: () => this.processes(),
      onAccepting: () => {
        context.dispatch({ kind: "listening", epoch: this.epoch });
        this.checkGate();
      },
      isOver: () => this.gate.isListening || this.gate.isPassed || this.hasExited,
    });
  }

  /** Goes on with a generation that another baton has started. */
  resume({ record, notifyPath, notify, ...parts }: ResumeOptions): void {
    Object.assign(this.facts, factsOf(record));
    this.hints.push(...record.hints);
    this.startedAt = new Date(record.startedAt);
    this.gate.notified = record.notified;
    this.openNotify(notifyPath, notify);
    this.server = this.#serverProcess();
    const { pid: leader, startTime, exitStatus } = record;
    this.server.resume({ pid: leader, startTime, exitStatus, ...parts });
    if (parts.isForeign) return;
    this.adoptTarget.watchWorkers();
    this.#leaving.resume();
  }

  /** Its NOTIFY_SOCKET, which is elsewhere if `path` cannot be used. */
  openNotify(path: string, kept: Fd | null = null): NotifyServer {
    return this.notify = new NotifyServer(
      this.context.platform,
      path,
      (pid) => this.processes().includes(pid),
      (variables) => this.#onNotify(variables),
      kept,
    );
  }

  /** Answers a trapped call, which is written down until then: without an answer its thread hangs. */
  answer(notify: Fd, notification: TrappedCall): void {
    const { journal, adopter, migration } = this.context;
    journal.during(this.epoch, notification, () => {
      if (migration?.handle(notify, notification)) return true;
      return adopter.handle(notify, notification, this.adoptTarget);
    });
  }

  /** Another baton was killed: finds out what has happened since. */
  catchUp(): void {
    this.server?.catchUp();
    this.#leaving.resume();
    this.adoptTarget.watchWorkers();
    // That one may have held its connections back.
    this.context.migration?.resumeAll(() => this.processes());
  }

  #serverProcess(): ServerProcess {
    const { context } = this;
    return new ServerProcess(context.platform, context.children, {
      epoch: this.epoch,
      calls: {
        // With --survive each is written down before it is answered.
        lettingPass: context.migration !== null && !context.config.survive,
        isAwaited: () => context.migration?.hasPendingAccepts ?? false,
      },
      onNotification: (notify, notification) => this.answer(notify, notification),
      onPrepared: () => context.journal.write(),
      onLaunchFailed: (status, message) => this.fail(message, status),
      onExit: (status, lingering) => this.#leaving.onExit(status, lingering),
      onGone: () => this.#leaving.onGone(),
      holdsMember: (pid) => context.listeners.isHeldBy(pid, this.epoch),
    });
  }

  processes(): number[] {
    return this.server?.processes() ?? [];
  }

  #onNotify(variables: ReadonlyMap<string, string>): void {
    if (variables.get("READY") !== "1" || this.gate.notified) return;
    this.gate.notified = true;
    this.context.log(`generation ${this.epoch} sent READY=1`);
    this.checkGate();
  }

  checkGate(): void {
    this.health.checkNow();
    if (!this.gate.isPassed || this.admission?.admits() === false) return;
    this.health.onGatePassed();
    this.context.dispatch({ kind: "ready", epoch: this.epoch });
  }

  onUnhealthy(reason: string): void {
    this.context.dispatch({ kind: "unhealthy", epoch: this.epoch, reason });
  }

  /** It will not make it. */
  fail(reason: string, status: number = EXIT_NEW_GENERATION_FAILED): void {
    this.context.dispatch({ kind: "failed", epoch: this.epoch, reason, status });
  }

  /** Something could not be done before there was a process. */
  failWithoutProcess(reason: string, status: number): void {
    this.fail(reason, status);
    this.#end({ status, asRequested: false, text: reason });
  }

  #end(exit: ExitReport): void {
    if (this.hasExited) return;
    this.hasExited = true;
    this.health.stop();
    this.admission?.kill();
    this.#stopping.cancel();
    this.#acceptors?.close();
    this.notify?.close();
    const told = { ...exit, cut: this.facts.cut };
    this.context.dispatch({ kind: "exited", epoch: this.epoch, exit: told });
  }

  /** Its process descriptors are not needed any more: all processes have ended. */
  retire(): void {
    if (this.#leaving.whenRestGone(() => this.retire())) return;
    this.timers.clear();
    this.health.close();
    this.adoptTarget.close();
    this.server?.close();
    this.context.journal.forgetCallsOf(this.epoch);
  }

  noteConnections(): void {
    this.#stopping.noteConnections();
  }

  stopTimeMs(drainMs: number): number {
    return this.#stopping.stopTimeMs(drainMs);
  }

  beginDrain(stopping: boolean, heir: GenerationHandle | null): void {
    this.health.stop();
    this.#stopping.beginDrain(stopping, heir?.takesConnections ?? false);
  }

  stopLiveChecks(): void {
    this.health.stopLiveChecks();
  }

  resumeServing(): void {
    this.#stopping.resumeServing();
    this.health.startLiveChecks();
  }

  signalStop(): void {
    this.#stopping.signalStop();
  }

  kill(isOverdue = false): void {
    const isEmpty = this.processes().length === 0;
    if (this.hasExited && (isEmpty || this.#leaving.isFollowed)) return;
    if (this.admission?.kill() && this.server === null) return;
    this.#stopping.kill(isOverdue);
    // Nothing that we can see is left of it: waiting for more would be waiting for ever.
    if (isEmpty) this.#leaving.onGone();
  }

  /** Passes a signal on that has nothing to do with baton (USR1). */
  forwardSignal(signal: number): void {
    this.server?.signal(signal);
  }

  #onTimer(timer: GenerationTimer): void {
    const { epoch } = this;
    switch (timer) {
      case "ready": {
        // What runs there has a time-out of its own, and this one begins anew after it.
        if (this.admission?.isBusy) return;
        // Somebody sits at it: a shell, a debugger.
        if (this.context.foreground.isHeldBy(this.pid ?? 0)) return;
        return this.fail(this.gate.timeoutReason(this.context.config.readyTimeoutMs, this.hints));
      }
      case "bake":
        return this.context.dispatch({ kind: "bake_elapsed", epoch });
      case "health":
        this.adoptTarget.settle();
        this.server?.remember();
        return this.context.dispatch({ kind: "healthy", epoch });
      default:
        return this.context.dispatch({ kind: `${timer}_timed_out`, epoch });
    }
  }
}
