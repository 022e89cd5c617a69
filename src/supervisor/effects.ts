/**
 * The hands of the supervisor: carries out what the lifecycle asks for, and nothing else. It holds
 * the generations' runtime sides, the history and the requests that wait for an answer.
 */
import type { ServiceEffect } from "../lifecycle/vocabulary.ts";
import { servingOf } from "../lifecycle/service.ts";
import type { ServiceState } from "../lifecycle/service.ts";
import { EXIT_NEW_GENERATION_FAILED } from "../lifecycle/status.ts";
import type { Resumption } from "../upgrade/in_place.ts";
import { provideSpares } from "../steering/spares.ts";
import { adoptOrphans } from "./adoption.ts";
import { Answers } from "./answers.ts";
import type { RunningContext, SupervisorOptions } from "./context.ts";
import { ForeignGeneration } from "./foreign.ts";
import type { OldBaton } from "./foreign.ts";
import type { GenerationHandle } from "./handle.ts";
import { handoverFacts } from "./handover_facts.ts";
import { History } from "./history.ts";
import { InPlaceUpgrade } from "./in_place_upgrade.ts";
import { Offers } from "./offers.ts";
import { launchPlan } from "./plan.ts";
import { delayOf } from "./policy.ts";
import { packLuggage, resumeWaits, unpackService } from "./resume.ts";
import { Running } from "./running.ts";
import type { ReloadReport } from "./snapshot.ts";
import { statusOf } from "./start_failure.ts";
import { Timers } from "./timers.ts";
import { Trials } from "./trials.ts";
import { Upgrader } from "./upgrader.ts";

/** Lines of a failed generation's output in the verdict. */
const VERDICT_LINES = 20;

export class Effects {
  readonly running = new Map<number, GenerationHandle>();
  readonly history = new History();
  readonly reloads = new Answers<ReloadReport>();
  readonly upgrader: Upgrader;
  readonly #inPlace: InPlaceUpgrade;
  /** Null: nobody may take over from this baton. */
  readonly offers: Offers | null;
  readonly trials: Trials;
  readonly #backoff: Timers<"backoff">;

  constructor(readonly options: SupervisorOptions, readonly context: RunningContext) {
    const { logger, manager } = options;
    this.trials = new Trials({ context, logger, running: this.running, history: this.history });
    const { platform, listeners, adopter, children, dispatch, config, migration } = context;
    this.#backoff = new Timers(() => dispatch({ kind: "backoff_elapsed" }));
    this.upgrader = new Upgrader({
      ...{ ...options.upgrade, platform, listeners, adopter, children, dispatch, logger },
      readyTimeoutMs: config.readyTimeoutMs,
      onHandedOver: (pid) => {
        options.keeper()?.handedOver();
        manager.handOver(pid);
      },
    });
    this.#inPlace = new InPlaceUpgrade({
      ...{ ...options.upgrade, platform, children, dispatch, logger },
      door: options.door,
      whenEmptyHanded: async () => await migration?.crossings.whenEmpty(),
    });
    const { handoffSocket, backlog, survive: survives } = config;
    const { lock } = options.upgrade;
    this.offers = handoffSocket === null ? null : new Offers({
      ...{ platform, listeners, adopter, dispatch, logger, lock, backlog, survives },
      path: handoffSocket,
    });
    context.children.onStrayReaped = () => {
      for (const running of this.running.values()) running.onStrayReaped();
    };
  }

  /** @param state of the service after the step that asked for `effect` */
  perform(effect: ServiceEffect, state: ServiceState): void {
    const { logger } = this.options;
    if (Trials.isAbout(effect)) return this.trials.perform(effect, state);
    if (effect.kind === "drain" || effect.kind === "retire") this.trials.leaves(effect.epoch);
    const running = "epoch" in effect && effect.epoch !== null
      ? this.running.get(effect.epoch)
      : undefined;
    switch (effect.kind) {
      case "spawn":
        return this.#spawn(effect.epoch, effect.heirOf, state);
      case "make_heir":
        if (running) running.heirOf = effect.heirOf;
        return;
      case "switch":
        this.context.listeners.switchTo(effect.epoch);
        this.trials.serves(effect.epoch);
        this.#provideSpares();
        return logger.info(`generation ${effect.epoch} serves`, { pid: running?.pid ?? null });
      case "drain":
        logger.info(`generation ${effect.epoch} drains`, { pid: running?.pid ?? null });
        if (effect.stopping) this.context.listeners.park();
        return running?.beginDrain(effect.stopping, this.#servingIn(state));
      case "signal_stop":
        return running?.signalStop();
      case "kill":
        return running?.kill();
      case "retire":
        return this.#retire(effect.epoch);
      case "return_members":
        this.context.listeners.returnMembers(effect.epoch, effect.to);
        return this.#retire(effect.epoch);
      case "arm":
        if (!running) return;
        return running.timers.arm(
          effect.timer,
          delayOf(this.context.config, effect.timer, running),
        );
      case "disarm":
        return running?.timers.disarm(effect.timer);
      case "begin_upgrade":
        return this.#beginUpgrade(effect.inPlace, state);
      case "abort_upgrade":
        this.#inPlace.abort();
        this.offers?.abort();
        return this.upgrader.abort();
      case "upgrade_result":
        if (!this.offers?.answer(effect)) this.upgrader.answer(effect);
        return;
      case "take_back":
        this.offers?.takeBack(effect.epoch);
        running?.endDrain();
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
        return this.#answer(effect, state);
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
  inherit(predecessor: OldBaton): number {
    const { logger, onTakenOver, onPredecessorGone, handoffIsShared, context } = this.options;
    const foreign: ForeignGeneration = new ForeignGeneration({
      platform: context.platform,
      listeners: context.listeners,
      predecessor,
      estate: this.options.estate,
      dispatch: this.context.dispatch,
      adopt: () => adoptOrphans(this, foreign),
      onTakenOver: () => {
        if (handoffIsShared) this.offers?.socket.replace();
        onTakenOver();
      },
      onGivenUp: (reason) => {
        const epoch = predecessor.state.nextEpoch ?? foreign.epoch + 1;
        const status = EXIT_NEW_GENERATION_FAILED;
        this.context.dispatch({ kind: "failed", epoch, reason: `takeover: ${reason}`, status });
      },
      onGone: () => {
        logger.info("the old baton has ended");
        onPredecessorGone();
      },
    });
    this.running.set(foreign.epoch, foreign);
    this.history.started(foreign.epoch, foreign.startedAt);
    this.history.continue(predecessor.state.counters);
    return foreign.epoch;
  }

  #servingIn(state: ServiceState): GenerationHandle | null {
    return this.running.get(servingOf(state)?.epoch ?? NaN) ?? null;
  }

  #spawn(epoch: number, heirOf: number | null, state: ServiceState): void {
    const { options } = this;
    const before = servingOf(state)?.epoch ?? heirOf;
    const wantsNotification = before !== null &&
      (this.running.get(before)?.notified ?? false);
    const running = new Running(this.context, epoch, { heirOf, wantsNotification });
    this.running.set(epoch, running);
    this.history.started(epoch, running.startedAt);
    try {
      const notifyPath = options.notifyPath(epoch);
      const trap = [...options.plan.trap, ...this.context.migration?.trapForNext() ?? []];
      const plan = launchPlan({ ...options.plan, trap }, epoch, notifyPath);
      const members = options.inheritor.membersFor(epoch, heirOf);
      running.start({ plan, notifyPath, members });
      this.history.setPid(epoch, running.pid);
      options.logger.info(`generation ${epoch} starts`, { pid: running.pid });
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      running.failWithoutProcess(message, statusOf(error));
    }
  }

  #beginUpgrade(inPlace: boolean, state: ServiceState): void {
    const facts = handoverFacts(this, state);
    if (this.offers?.begin(state.upgrade ?? [], facts, state.nextEpoch)) return;
    const far = this.context.listeners.groups.find(({ network }) => network !== null);
    if (far !== undefined) {
      // What makes sockets there does not travel by exec or to a child.
      const reason = `the sockets at ${far.text} belong to another network namespace since a ` +
        "takeover: replace this baton by a takeover too";
      return this.context.dispatch({ kind: "upgrade_failed", reason });
    }
    if (!inPlace) return this.upgrader.begin(facts);
    this.#inPlace.begin(this.upgrader.takeProgram(), () => packLuggage(this, state));
  }

  /**
   * Goes on where another baton stopped.
   * @returns the state to begin with
   */
  resume(resumption: Resumption): ServiceState {
    const state = unpackService(this, resumption);
    const { config } = this.context;
    resumeWaits(
      this.running,
      state.generations,
      (timer, handle) => handle.timers.arm(timer, delayOf(config, timer, handle)),
    );
    return state;
  }

  #provideSpares(): void {
    if (!this.options.keepsSpares) return;
    const { listeners, config } = this.context;
    for (const notice of provideSpares(listeners, config.backlog)) this.options.logger.warn(notice);
  }

  /** Its members may be needed for longer than it lives (a crash); its story is over. */
  remember(epoch: number): void {
    const running = this.running.get(epoch);
    if (running !== undefined) this.history.ended(epoch, running);
  }

  #retire(epoch: number): void {
    const running = this.running.get(epoch);
    this.context.listeners.retire(epoch);
    if (running === undefined) return;
    this.history.ended(epoch, running);
    running.close();
    this.running.delete(epoch);
    this.options.logger.info(`generation ${epoch} is gone`, { cut: running.cut });
  }

  #answer(effect: Extract<ServiceEffect, { kind: "reload_result" }>, state: ServiceState): void {
    const { result, epoch, reason } = effect;
    const failed = result === "failed" && epoch !== null ? this.running.get(epoch) : undefined;
    const output = failed?.output?.tail.lines(VERDICT_LINES) ?? [];
    const outputIsDirect = failed?.outputIsDirect ?? false;
    const trial = this.trials.view(state);
    const report = { result, epoch, reason, output, outputIsDirect, trial };
    const durationMs = this.reloads.give(effect.requests, report);
    if (durationMs !== null) this.history.reloaded({ epoch, result, reason, durationMs });
    if (result === "failed" && state.finished) {
      this.options.predecessor?.saysFailed([reason, ...output].join("\n"));
    }
    if (result === "ok") this.history.ok++;
    if (result === "failed") this.history.failed++;
    if (result === "failed") {
      this.options.logger.error(`reload failed: ${reason}`, { epoch });
    }
  }

  #finish(status: number): void {
    for (const running of this.running.values()) running.close();
    this.trials.close();
    this.context.listeners.close();
    this.context.children.close();
    this.offers?.close();
    this.options.keeper()?.end();
    this.options.manager.close();
    this.options.onFinish(status);
  }
}
