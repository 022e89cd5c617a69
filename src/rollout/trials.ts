/**
 * The hands of a trial: shares, the time of a ramp, what was seen of it, and who asked. What follows from what is
 * decided in lifecycle/promotion.ts.
 */
import type { RunningContext } from "../generation/context.ts";
import type { ServiceState } from "../lifecycle/service.ts";
import { bakingOf, servingOf } from "../lifecycle/state.ts";
import type { ServiceEffect } from "../lifecycle/vocabulary.ts";
import type { Logger } from "../log/logger.ts";
import { PendingRequests } from "../report/pending_requests.ts";
import type { GenerationHandle } from "../generation/handle.ts";
import type { History } from "../report/history.ts";
import { PassiveWatch } from "./passive_watch.ts";
import { Ramp } from "./ramp.ts";
import { ShareWatch } from "./share_watch.ts";
import type { TrialReport, TrialView } from "../report/snapshot.ts";

const KINDS = [
  ...["share", "begin_ramp", "end_ramp", "arm_bake", "rolled_back", "steer_back"] as const,
  "trial_result",
] as const;
export type TrialEffect = Extract<ServiceEffect, { kind: typeof KINDS[number] }>;

interface TrialParts {
  readonly context: RunningContext;
  readonly running: ReadonlyMap<number, GenerationHandle>;
  readonly history: History;
  readonly logger: Logger;
}

export class Trials {
  readonly requests = new PendingRequests<TrialReport>();
  readonly #ramp = new Ramp();
  readonly #watch: ShareWatch;
  readonly #health: PassiveWatch;

  constructor(readonly parts: TrialParts) {
    this.#watch = new ShareWatch(parts.context);
    this.#health = new PassiveWatch(parts.context);
  }

  static isAbout(effect: ServiceEffect): effect is TrialEffect {
    return (KINDS as readonly string[]).includes(effect.kind);
  }

  perform(effect: TrialEffect, state: ServiceState): void {
    const { context: { dispatch }, running, history, logger } = this.parts;
    switch (effect.kind) {
      case "share":
        return this.#share(effect.epoch, effect.percent, state);
      case "begin_ramp":
        return this.#ramp.begin(
          effect,
          (percent) => dispatch({ kind: "ramped", epoch: effect.epoch, percent }),
        );
      case "end_ramp":
        return this.#ramp.end();
      case "arm_bake":
        return running.get(effect.epoch)?.timers.arm("bake", effect.delayMs);
      case "rolled_back":
        history.rolledBack(effect.epoch, effect.reason);
        return logger.error(`generation ${effect.epoch} is rolled back: ${effect.reason}`);
      case "steer_back":
        this.parts.context.listeners.switchTo(effect.epoch);
        this.parts.context.listeners.succeed(effect.epoch, null);
        running.get(effect.epoch)?.resumeServing();
        this.onSwitch(effect.epoch);
        return logger.info(`generation ${effect.epoch} serves again`, {
          pid: running.get(effect.epoch)?.pid ?? null,
        });
      case "trial_result": {
        const { request, epoch, result, reason } = effect;
        this.requests.answer([request], { epoch, result, reason });
      }
    }
  }

  /** A generation serves: all new connections go there. */
  onSwitch(epoch: number): void {
    this.#end();
    const running = this.parts.running.get(epoch);
    if (running) this.#health.watch(epoch, () => running.processes(), false);
  }

  /** It gets no new connections any more. */
  stopWatching(epoch: number): void {
    this.#health.forget(epoch);
  }

  close(): void {
    this.#end();
    this.#health.close();
  }

  #end(): void {
    this.#ramp.end();
    this.#watch.end();
  }

  view(state: ServiceState): TrialView | null {
    const baking = bakingOf(state);
    if (baking === null || state.trial === null) return null;
    return { epoch: baking.epoch, ...state.trial, seen: this.#watch.seen };
  }

  #share(epoch: number, percent: number, state: ServiceState): void {
    const { context, running, logger } = this.parts;
    const indivisible = context.listeners.share(epoch, percent);
    if (percent === 0 && state.trial === null) {
      this.stopWatching(epoch);
      return this.#end();
    }
    if (indivisible.length > 0) {
      const where = indivisible.join(", ");
      logger.warn(`the socket at ${where} is that of all generations: it cannot be shared out`);
    }
    const isStep = state.trial?.phase === "ramp" && percent > (state.reload.rollout.canary ?? 0);
    if (isStep) return;
    logger.info(`generation ${epoch} gets ${percent} % of the new connections`);
    const [candidate, serving] = [running.get(epoch), servingOf(state)];
    const others = serving === null ? undefined : running.get(serving.epoch);
    if (candidate && others) this.#watch.begin(candidate, others);
    if (candidate) this.#health.watch(epoch, () => candidate.processes(), true);
  }
}
