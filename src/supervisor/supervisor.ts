/**
 * The supervisor: one queue of events, one loop, one owner of state. All events come in by `dispatch`;
 * lifecycle/service.ts decides what follows; effects.ts carries it out. After the point of no return (`switch`) an error
 * of baton's own never ends the service: a failed effect is logged.
 */
import type { ReloadHow } from "../lifecycle/order.ts";
import { RunningGeneration } from "../generation/generation.ts";
import { step } from "../lifecycle/service.ts";
import { inheritedState, INITIAL_STATE, type ServiceState, servingOf } from "../lifecycle/state.ts";
import type { ServiceEvent } from "../lifecycle/vocabulary.ts";
import { errorText } from "../platform/error.ts";
import type {
  Decision,
  ScaleReport,
  Snapshot,
  TrialReport,
  UpgradeReport,
} from "../report/snapshot.ts";
import { catchUp, resumeService } from "../succession/catch_up.ts";
import { effectsOf } from "./effects.ts";
import { recordExit } from "./generation_effects.ts";
import type { SupervisorOptions } from "./options.ts";
import { SupervisorParts } from "./parts.ts";
import { mustStay, reopenSignal, rolloutOf, servicePolicy } from "./policy.ts";
import { Upgrades } from "./upgrade_effects.ts";
import { Views } from "./views/views.ts";

type ScaleRequest = Extract<ServiceEvent, { kind: "scale_requested" }>;

export class Supervisor {
  #state: ServiceState = INITIAL_STATE;
  readonly #events: ServiceEvent[] = [];
  #stepping = false;
  #stopRequests = 0;
  readonly #parts: SupervisorParts;
  readonly #views: Views;
  readonly #upgrades: Upgrades;
  readonly #effects: ReturnType<typeof effectsOf>;

  constructor(readonly options: SupervisorOptions) {
    const { predecessor, resumption } = options;
    this.#parts = new SupervisorParts(
      options,
      (event) => this.dispatch(event),
      () => this.#state,
    );
    this.#views = new Views(this.#parts);
    this.#upgrades = new Upgrades(this.#parts);
    this.#effects = effectsOf(this.#parts, this.#upgrades);
    if (resumption !== null) {
      this.#state = resumeService(this.#parts, resumption);
    } else if (predecessor !== null) {
      const epoch = this.#upgrades.inherit(predecessor);
      const { nextEpoch, workers } = predecessor.state;
      this.#state = inheritedState(epoch, nextEpoch, workers);
    }
  }

  /** Adds an event and, unless another one is being processed, processes all until none is left. */
  dispatch(event: ServiceEvent): void {
    this.#events.push(event);
    if (this.#stepping) return;
    this.#stepping = true;
    try {
      for (let next = this.#events.shift(); next !== undefined; next = this.#events.shift()) {
        this.#process(next);
      }
    } finally {
      this.#stepping = false;
    }
  }

  #process(event: ServiceEvent): void {
    const { history, lateListeners, trials, context: { config, journal, front } } = this.#parts;
    const { logger, manager, observers } = this.options;
    const before = this.#state;
    history.beforeStep(event, before);
    const { state, effects } = step(before, event, servicePolicy(config, this.#order));
    this.#state = state;
    journal.write();
    history.afterStep(state);
    logger.debug(`event ${JSON.stringify(event)}`);
    for (const effect of effects) {
      this.#safely(`carry out "${effect.kind}"`, () => this.#effects.carryOut(effect, state));
    }
    if (event.kind === "exited") recordExit(this.#parts, event.epoch, state);
    this.#safely("look for listeners", () => lateListeners.update());
    this.#safely("keep the front", () => front?.afterStep(state.generations));
    this.#safely("watch listeners", () => trials.update(state));
    this.#safely("look for QUIC", () => this.#effects.afterStep(state));
    this.#safely("tell the service manager", () => manager.onStep(state, effects));
    const whole = { event, before, after: state, effects, history };
    for (const observer of observers) {
      this.#safely("tell an observer", () => observer.onStep(whole));
    }
    // The state is written before the counters can be read: a next baton must not report lower ones.
    journal.write();
  }

  /**
   * Reads the configuration again and starts a new generation; resolves when that serves, is on trial until an operator
   * decides, or has failed.
   * @param how deviates from the configured order and rollout
   */
  reload(how: ReloadHow = {}) {
    const found = this.#parts.config.reread(this.options.logger);
    const answer = this.#requestReload(how);
    return found === null ? answer : answer.then((report) => ({ ...report, ...found }));
  }

  /** A command that was read again may belong to a server that must not run twice: not for an upgrade or a scale either. */
  get #order() {
    return this.#parts.config.order ?? this.options.order.order;
  }

  #requestReload({ order, ...how }: ReloadHow) {
    const { request, answer } = this.#parts.reloads.requests.open();
    const rollout = { ...rolloutOf(this.#parts.context.config), ...how };
    const { undivided } = this.#parts.trials;
    this.dispatch({ kind: "reload_requested", request, rollout, undivided, ...order && { order } });
    return answer;
  }

  decide(decision: Decision): Promise<TrialReport> {
    const { request, answer } = this.#parts.trials.requests.open();
    if (typeof decision === "string") this.dispatch({ kind: `${decision}_requested`, request });
    else this.dispatch({ kind: "share_requested", request, percent: decision.percent });
    return answer;
  }

  /** Another number of workers; resolves when they serve, and those that go have exited, or when that failed. */
  scale(change: Pick<ScaleRequest, "workers" | "relative">): Promise<ScaleReport> {
    const { request, answer } = this.#parts.reloads.scales.open();
    this.dispatch({ kind: "scale_requested", request, ...change });
    return answer;
  }

  /**
   * Starts a new baton that takes over from this one; resolves when it serves, or has failed. In place
   * this process becomes the new baton: then it resolves only when that has failed.
   * @param program null: the program of this baton, as it is on disk now
   */
  upgrade(program: string | null = null, inPlace = false): Promise<UpgradeReport> {
    const { request, answer } = this.#upgrades.child.request(program);
    const why = mustStay(this.#parts.context.platform, this.#order);
    if (why !== null && !inPlace) this.options.logger.info(`upgrade: in place, because ${why}`);
    this.dispatch({ kind: "upgrade_requested", request, inPlace: inPlace || why !== null });
    return answer;
  }

  /**
   * First time: drain and stop. Second: stop without waiting. Third: kill.
   * @param spentMs part of the drain time that an earlier wait has used up
   */
  stop(spentMs = 0): void {
    const { context: { leftovers }, hooks, deadlines } = this.#parts;
    const requests = ++this.#stopRequests;
    if (requests === 1) deadlines.beginStop();
    if (requests === 1) leftovers.killed.length = 0;
    // Only hooks and processes that servers left behind still run then.
    if (this.#state.finished) hooks.killRunning(true);
    this.dispatch({ kind: "stop_requested", spentMs });
    if (requests > (this.#state.finished ? 1 : 2)) leftovers.killAll();
  }

  stopLiveChecks(): void {
    for (const generation of this.#parts.running.values()) generation.stopLiveChecks();
  }

  /** An operator says that the service is to get no traffic, or that it may again. The next baton knows it, too. */
  failByHand(isFailed: boolean): void {
    this.#parts.history.failedByHand = isFailed;
    this.writeState();
  }

  get isFailedByHand(): boolean {
    return this.#parts.history.failedByHand;
  }

  /** The log of baton, and of a server that knows SIGUSR1. */
  reopenLogs(): void {
    this.options.logger.reopen();
    const signal = reopenSignal(this.options.context);
    if (signal === null) return;
    // A generation that drains writes its log, too.
    for (const { epoch, state } of this.#state.generations) {
      const isEnding = state === "stopping" || state === "exited";
      if (!isEnding) this.#parts.running.get(epoch)?.forwardSignal(signal);
    }
  }

  get servingEpoch(): number | null {
    return servingOf(this.#state)?.epoch ?? null;
  }

  /** Another baton serves, and this one only drains. */
  get hasHandedOver(): boolean {
    return (this.#state.shutdown?.handedOver ?? null) !== null;
  }

  /** Sockets of generations at fixed paths, for the guard that restores them. */
  placedSockets() {
    const handoff = this.#upgrades.offers?.socket ?? null;
    const handoffSockets = handoff === null ? [] : [{
      what: "handoff socket",
      path: handoff.path,
      isInPlace: () => handoff.isInPlace,
      restore: () => handoff.replace(),
    }];
    const notifySockets = [...this.#parts.running.values()].flatMap((generation) => {
      if (!(generation instanceof RunningGeneration) || generation.hasExited) return [];
      return generation.workers.alive.flatMap((worker) => {
        const { notify } = worker;
        return notify === null ? [] : {
          what: `NOTIFY_SOCKET of ${worker.parts.name()}`,
          path: notify.path,
          isInPlace: () => notify.isInPlace,
          restore: () => notify.restore(),
        };
      });
    });
    return [...notifySockets, ...handoffSockets];
  }

  snapshot(): Snapshot {
    return this.#views.snapshot(this.#state);
  }

  summary(): ReturnType<Views["summary"]> {
    return this.#views.summary(this.#state);
  }

  #safely(what: string, action: () => void): void {
    try {
      action();
    } catch (error) {
      this.options.logger.error(`cannot ${what}: ${errorText(error)}`);
    }
  }

  /** With --survive: writes the whole state again, for a store that has lost it or does not know the next change. */
  writeState(): void {
    this.#parts.context.journal.write();
  }

  /**
   * Starts the first generation, or the successor of the inherited one; a resumed service just continues.
   * @throws {HandoffSocketError} when the handoff socket cannot be opened
   */
  start(): void {
    const { resumption, handoffIsShared, predecessor } = this.options;
    const { front, config: { orphan } } = this.#parts.context;
    front?.begin(resumption === null && predecessor === null && orphan !== "keep");
    // The service is resumed first, whatever becomes of the handoff socket.
    if (resumption !== null) this.#resume(resumption);
    if (!handoffIsShared) this.#upgrades.offers?.socket.open();
    if (resumption !== null) return;
    if (predecessor === null) this.dispatch({ kind: "start" });
    else void this.#requestReload({});
  }

  #resume(resumption: NonNullable<SupervisorOptions["resumption"]>): void {
    this.options.manager.onStep(this.#state, []);
    this.writeState();
    catchUp(this.#parts, this.#state, resumption);
    this.#parts.context.children.reap();
  }
}
