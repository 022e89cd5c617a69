/**
 * The hands of the supervisor: carries out what the lifecycle asks for, and nothing else. It holds
 * the generations' runtime sides, the history and the requests that wait for an answer.
 */
import { longestStartMs } from "../config/config.ts";
import type { Resumption } from "../succession/state/resumption.ts";
import type { RunningContext } from "../generation/context.ts";
import type { ServiceEffect } from "../lifecycle/vocabulary.ts";
import { type ServiceState, servingOf } from "../lifecycle/service.ts";
import { EXIT_NEW_GENERATION_FAILED } from "../lifecycle/status.ts";
import { provideStandbySockets } from "../steering/standby_sockets.ts";
import { adoptOrphans } from "../succession/adopt_orphans.ts";
import { PendingRequests } from "../report/pending_requests.ts";
import type { SupervisorOptions } from "./options.ts";
import { Drains } from "./drains.ts";
import {
  type PredecessorBaton,
  PredecessorGeneration,
} from "../succession/predecessor_generation.ts";
import type { GenerationHandle } from "../generation/handle.ts";
import { handoverFacts } from "../succession/handover_facts.ts";
import { History } from "../report/history.ts";
import { InPlaceUpgrade } from "../succession/in_place_upgrade.ts";
import { TakeoverOffers } from "../succession/takeover_offers.ts";
import { packPayload, resumeWaits, unpackService } from "../succession/resume.ts";
import { answerReload } from "./reload_answer.ts";
import { RunningGeneration } from "../generation/generation.ts";
import type { ReloadReport } from "../report/snapshot.ts";
import { ServiceHooks } from "./service_hooks.ts";
import { Starts } from "./starts.ts";
import { LateListeners } from "./late_listeners.ts";
import { Timers } from "../generation/timers.ts";
import { type TrialEffect, Trials } from "../rollout/trials.ts";
import { ChildUpgrade } from "../succession/child_upgrade.ts";
import { Deadlines } from "../generation/deadlines.ts";

export class Effects {
  readonly running = new Map<number, GenerationHandle>();
  readonly history = new History();
  readonly reloads = new PendingRequests<ReloadReport>();
  readonly upgrader: ChildUpgrade;
  readonly #inPlace: InPlaceUpgrade;
  /** Null: nobody may take over from this baton. */
  readonly offers: TakeoverOffers | null;
  readonly deadlines: Deadlines;
  readonly trials: Trials;
  readonly lateListeners: LateListeners;
  readonly hooks: ServiceHooks;
  readonly #starts: Starts;
  readonly #drains = new Drains(this);
  readonly #backoff: Timers<"backoff">;

  /** @param service its present state */
  constructor(
    readonly options: SupervisorOptions,
    readonly context: RunningContext,
    readonly service: () => ServiceState,
  ) {
    const { logger, manager } = options;
    this.trials = new Trials({ context, logger, running: this.running, history: this.history });
    const { platform, listeners, adopter, children, dispatch, config, migration } = context;
    this.deadlines = new Deadlines(config, this.running);
    this.lateListeners = new LateListeners(
      { context, running: this.running, history: this.history },
      service,
    );
    this.#backoff = new Timers(platform.clock, () => dispatch({ kind: "backoff_elapsed" }));
    this.upgrader = new ChildUpgrade({
      ...{ ...options.upgrade, platform, listeners, adopter, children, dispatch, logger },
      readyTimeoutMs: longestStartMs(config),
      notifyPath: options.notifyPath,
      onHandedOver: (pid) => {
        options.stateWriter()?.handedOver();
        manager.handOver(pid);
      },
    });
    this.hooks = new ServiceHooks({
      ...{ context, plan: options.plan, logger },
      onPhase: (epoch, phase) => this.history.timelines.enter(epoch, phase, performance.now()),
    });
    this.#starts = new Starts(this);
    this.#inPlace = new InPlaceUpgrade({
      ...{ ...options.upgrade, platform, children, dispatch, logger },
      controlAccess: options.controlDoor,
      whenIdle: async () => {
        await migration?.inFlight.whenEmpty();
        // The next program would not know what they are, and whose.
        await new Promise<void>((resolve) => this.hooks.whenIdle(resolve));
        await new Promise<void>((resolve) => context.leftovers.whenEmpty(resolve));
      },
    });
    const { handoffSocket, backlog, survive: survives } = config;
    const { lock } = options.upgrade;
    this.offers = handoffSocket === null ? null : new TakeoverOffers({
      ...{ platform, listeners, adopter, dispatch, logger, lock, backlog, survives },
      path: handoffSocket,
    });
  }

  /** @param state of the service after the step that asked for `effect` */
  perform(effect: ServiceEffect, state: ServiceState): void {
    const { logger } = this.options;
    if (Trials.isAbout(effect)) return this.#onTrial(effect, state);
    if (effect.kind === "drain" || effect.kind === "retire") this.trials.stopWatching(effect.epoch);
    const running = "epoch" in effect && effect.epoch !== null
      ? this.running.get(effect.epoch)
      : undefined;
    switch (effect.kind) {
      case "spawn":
        if (effect.replaces !== null) this.context.listeners.rememberOrphaned(effect.replaces);
        return this.#starts.spawn(effect.epoch, effect.replaces, this.#servingIn(state));
      case "replace_crashed":
        this.context.listeners.rememberOrphaned(effect.replaces);
        if (running) running.replacementOf = effect.replaces;
        return;
      case "request_takeover":
        return this.#requestTakeover(effect.epoch);
      case "switch":
        this.context.listeners.switchTo(effect.epoch);
        this.lateListeners.onSwitch(effect.epoch, effect.after);
        this.trials.onSwitch(effect.epoch);
        this.#provideSpares();
        return logger.info(`generation ${effect.epoch} serves`, { pid: running?.pid ?? null });
      case "drain":
        logger.info(`generation ${effect.epoch} drains`, { pid: running?.pid ?? null });
        return this.#drains.begin(running, effect.stopping, this.#servingIn(state), state);
      case "drain_rest":
        return this.#drains.rest(running, effect.stopping, this.#servingIn(state));
      case "give_up_late":
        return this.lateListeners.giveUp(effect.epoch, effect.inTime);
      case "signal_stop":
        this.hooks.cutDelayShort(effect.epoch);
        return running?.signalStop();
      case "kill":
        this.hooks.cutDelayShort(effect.epoch);
        return running?.kill(effect.overdue);
      case "retire":
        return this.#retire(effect.epoch, state);
      case "return_members":
        this.context.listeners.returnMembers(effect.epoch, effect.to);
        return this.#retire(effect.epoch, state);
      case "arm":
        if (!running || (effect.timer === "drain" && this.hooks.delaysDrain(effect.epoch))) return;
        return this.deadlines.arm(effect.timer, running);
      case "shorten_drains":
        return this.deadlines.shortenDrains(effect.byMs);
      case "disarm":
        return running?.timers.disarm(effect.timer);
      case "begin_upgrade":
        return this.#beginUpgrade(effect.inPlace, state);
      case "abort_upgrade":
        this.#inPlace.abort();
        this.offers?.abort();
        return this.upgrader.abort();
      case "upgrade_result":
        if (!this.offers?.reportResult(effect)) this.upgrader.reportResult(effect);
        return;
      case "take_back":
        this.offers?.takeBack(effect.epoch);
        this.hooks.cancelDelay(effect.epoch);
        running?.resumeServing();
        this.options.onTakenBack();
        return logger.info(`generation ${effect.epoch} serves again`, {
          pid: running?.pid ?? null,
        });
      case "arm_backoff":
        this.history.crashes++;
        this.#backoff.arm("backoff", effect.delayMs);
        return logger.info(`starts again in ${effect.delayMs} ms`);
      case "disarm_backoff":
        return this.#backoff.disarm("backoff");
      case "reload_result":
        return answerReload(this, effect, state);
      case "notice":
        return logger.warn(effect.text);
      case "finish":
        return this.#finish(effect.status);
    }
  }

  /**
   * Begins as the successor of another baton: its generation serves until ours does.
   * @returns the epoch of that one
   */
  inherit(predecessor: PredecessorBaton): number {
    const { logger, onTakenOver, onPredecessorGone, handoffIsShared, context } = this.options;
    const foreign: PredecessorGeneration = new PredecessorGeneration({
      platform: context.platform,
      listeners: context.listeners,
      predecessor,
      recovery: this.options.predecessorRecovery,
      dispatch: this.context.dispatch,
      adopt: () => adoptOrphans(this, foreign),
      onTakenOver: () => {
        onTakenOver();
        if (handoffIsShared) this.offers?.takePath();
      },
      onGivenUp: (reason) => {
        const epoch = predecessor.state.nextEpoch ?? foreign.epoch + 1;
        const status = EXIT_NEW_GENERATION_FAILED;
        this.context.dispatch({ kind: "failed", epoch, reason: `takeover: ${reason}`, status });
      },
      onResume: () => context.adopter.retryPostponed(),
      onGone: () => {
        logger.info("the old baton has ended");
        onPredecessorGone();
      },
    });
    this.running.set(foreign.epoch, foreign);
    this.history.started(foreign.epoch, foreign.startedAt);
    this.history.restoreCounters(predecessor.state.counters);
    return foreign.epoch;
  }

  #requestTakeover(epoch: number): void {
    const { predecessor, predecessorRecovery } = this.options;
    const grant = () => this.context.dispatch({ kind: "takeover_granted", epoch });
    if (predecessor === null) return grant();
    // After the switch the old fd holder serves only clients already queued, so queue now.
    predecessorRecovery?.queueUp();
    predecessor.beforeServing(epoch, grant);
  }

  #servingIn(state: ServiceState): GenerationHandle | null {
    return this.running.get(servingOf(state)?.epoch ?? NaN) ?? null;
  }

  #onTrial(effect: TrialEffect, state: ServiceState): void {
    if (effect.kind === "steer_back") this.hooks.cancelDelay(effect.epoch);
    this.trials.perform(effect, state);
    if (effect.kind !== "rolled_back") return;
    const [gone, old] = [this.running.get(effect.epoch), this.#servingIn(state)];
    if (gone !== undefined) this.hooks.onRolledBack(gone, old ?? undefined, effect.reason);
  }

  #beginUpgrade(inPlace: boolean, state: ServiceState): void {
    const facts = handoverFacts(this, state);
    if (this.offers?.begin(state.upgrade ?? [], facts)) return;
    const far = this.context.listeners.groups.find(({ network }) => network !== null);
    if (far !== undefined) {
      // What makes sockets there does not travel by exec or to a child.
      const reason = `the sockets at ${far.text} belong to another network namespace since a ` +
        "takeover: replace this baton by a takeover too";
      return this.context.dispatch({ kind: "upgrade_failed", reason });
    }
    if (!inPlace) return this.upgrader.begin(facts);
    // A trial takes its time, in which generations end.
    this.#inPlace.begin(
      this.upgrader.takeRequestedProgram(),
      () => packPayload(this, this.service()),
    );
  }

  /**
   * Goes on where another baton stopped.
   * @returns the state to begin with
   */
  resume(resumption: Resumption): ServiceState {
    const state = unpackService(this, resumption);
    resumeWaits(this, state.generations);
    const behind = this.running.get(state.behind ?? NaN);
    if (behind !== undefined) this.deadlines.arm("late", behind);
    return state;
  }

  #provideSpares(): void {
    if (!this.options.keepsStandbySockets) return;
    const { listeners, config } = this.context;
    for (const notice of provideStandbySockets(listeners, config.backlog)) {
      this.options.logger.warn(notice);
    }
  }

  /** Its members may be needed for longer than it lives (a crash); its story is over. */
  remember(epoch: number, state: ServiceState): void {
    const running = this.running.get(epoch);
    if (running === undefined) return;
    const { outcome = null, pid = null } = this.history.ended(epoch, running.losses) ?? {};
    if (!(running instanceof RunningGeneration) || pid === null) return;
    const current = this.#servingIn(state);
    this.hooks.onExited({ epoch, pid }, current, outcome ?? "ended");
  }

  #retire(epoch: number, state: ServiceState): void {
    const running = this.running.get(epoch);
    this.context.listeners.retire(epoch);
    if (running === undefined) return;
    this.remember(epoch, state);
    running.retire();
    this.running.delete(epoch);
    const { cut, undecided } = running.losses;
    const fields = undecided === 0 ? { cut } : { cut, undecided };
    this.options.logger.info(`generation ${epoch} is gone`, fields);
  }

  #finish(status: number): void {
    this.hooks.killRunning();
    // What tells of the end, and is told of the last exit after this step, has its time.
    const { leftovers: remnants } = this.context;
    queueMicrotask(() => this.hooks.whenIdle(() => remnants.whenEmpty(() => this.#end(status))));
  }

  #end(status: number): void {
    for (const running of this.running.values()) running.retire();
    this.trials.close();
    this.lateListeners.close();
    this.context.listeners.close();
    this.context.children.close();
    this.offers?.close();
    this.options.stateWriter()?.end();
    this.options.manager.close();
    const { killed } = this.context.leftovers;
    this.options.onFinish({ status, killed, cut: this.history.cutByStop });
  }
}
