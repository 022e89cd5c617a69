/**
 * From the gate to serving: at once, or on trial (`baking`), where the generation before stays as it was and takes
 * all back when the new one crashes, is not healthy, or somebody says so. Pure.
 */
import { Ending } from "./ending.ts";
import { type Generation, withOutcome } from "./generation.ts";
import { isAtOnce, isOpenEnded, type Trial } from "./rollout.ts";
import { bakingOf, servingOf } from "./state.ts";
import type { ServiceEvent } from "./vocabulary.ts";

type TrialRequest = Extract<
  ServiceEvent,
  { kind: "promote_requested" | "rollback_requested" | "share_requested" }
>;
const ALL = 100;

export class Promotion extends Ending {
  /** It has passed its gate. */
  protected letIn(generation: Generation): void {
    const { rollout, awaitsTakeover: onProbation } = this.state;
    // Between two batons the handover decides who gets what.
    const isDirect = servingOf(this.state) === null || onProbation || isAtOnce(rollout);
    if (isDirect) return this.promote(generation);
    const { epoch } = generation;
    this.do({ kind: "disarm", timer: "ready", epoch });
    const baking: Generation = { ...generation, state: "baking", served: true };
    this.update(baking);
    const { canary, rampMs } = rollout;
    if (canary === null && rampMs === 0) return this.#bake(baking);
    const percent = canary ?? 0;
    this.#share(epoch, { phase: rampMs > 0 ? "ramp" : "canary", percent });
    if (rampMs > 0) this.do({ kind: "begin_ramp", epoch, percent, durationMs: rampMs });
  }

  /** THE POINT OF NO RETURN: it serves, and the one before it drains. */
  protected promote(generation: Generation): void {
    const { epoch } = generation;
    const old = servingOf(this.state);
    if (generation.state === "baking") this.endTrial(epoch);
    else this.do({ kind: "disarm", timer: "ready", epoch });
    this.do({ kind: "switch", epoch, after: old?.epoch ?? this.state.orphanedListeners });
    this.update({ ...generation, state: "serving", served: true });
    this.do({ kind: "arm", timer: "health", epoch });
    this.answer(epoch, "ok", null);
    this.retireLeftover();
    this.set({
      served: true,
      orphanedWorkers: this.state.orphanedListeners,
      orphanedListeners: null,
      awaitsTakeover: false,
    });
    if (old !== null) {
      this.disarmServing(old.epoch);
      this.set({ aftermathOf: "ok" });
      this.beginDrain(withOutcome(old, "superseded"), false);
    }
  }

  protected ramped(generation: Generation, percent: number): void {
    const { trial } = this.state;
    if (trial?.phase !== "ramp" || percent <= trial.percent) return;
    if (percent < ALL) return this.#share(generation.epoch, { phase: "ramp", percent });
    this.endTrial(generation.epoch);
    this.#bake(generation);
  }

  protected onTrialRequest(event: TrialRequest): void {
    const generation = bakingOf(this.state);
    const about = { kind: "trial_result", request: event.request } as const;
    if (generation === null) {
      const reason = "no generation is on trial";
      return this.do({ ...about, epoch: null, result: "refused", reason });
    }
    const { epoch } = generation;
    this.do({ ...about, epoch, result: "ok", reason: null });
    switch (event.kind) {
      case "rollback_requested":
        return this.rollBack(generation, "asked for");
      case "promote_requested": {
        const bakes = this.state.trial?.phase !== "bake" && this.state.rollout.bakeMs > 0;
        return bakes ? this.#bakeNow(generation) : this.promote(generation);
      }
      case "share_requested":
        if (event.percent >= ALL) return this.#bakeNow(generation);
        this.endTrial(epoch);
        return this.#share(epoch, { phase: "canary", percent: event.percent });
    }
  }

  /** The one before it has never stopped to serve: new connections go there again, and this one drains. */
  protected rollBack(generation: Generation, reason: string): void {
    const { epoch } = generation;
    this.#takeBack(epoch, reason);
    this.beginDrain(withOutcome(generation, "rolled back", reason), false);
  }

  /** The same for one whose processes are gone. */
  protected crashedOnTrial({ epoch }: Generation, reason: string): void {
    this.#takeBack(epoch, reason);
    this.retire(epoch);
  }

  /** A candidate is given up, and what serves may have been told something by it. */
  protected noteFailure(): void {
    const serving = servingOf(this.state);
    if (serving === null) return;
    this.set({ aftermathOf: "failed" });
    this.do({ kind: "arm", timer: "aftermath", epoch: serving.epoch });
  }

  #takeBack(epoch: number, reason: string): void {
    // First of all: each moment costs somebody a connection.
    this.do({ kind: "share", epoch, percent: 0 });
    this.endTrial(epoch);
    this.do({ kind: "rolled_back", epoch, reason });
    this.answer(epoch, "failed", `rolled back: ${reason}`);
    this.noteFailure();
  }

  #bakeNow(generation: Generation): void {
    this.endTrial(generation.epoch);
    this.#bake(generation);
  }

  /** It gets everything, and the one before it is still there. */
  #bake(generation: Generation): void {
    const { bakeMs, hold } = this.state.rollout;
    if (bakeMs === 0 && !hold) return this.promote(generation);
    const { epoch } = generation;
    this.#share(epoch, { phase: "bake", percent: ALL });
    if (!hold) this.do({ kind: "arm_bake", epoch, delayMs: bakeMs });
  }

  #share(epoch: number, trial: Trial): void {
    this.set({ trial });
    this.do({ kind: "share", epoch, percent: trial.percent });
    // Whoever waits would wait for a person.
    if (isOpenEnded(trial, this.state.rollout)) this.answer(epoch, "ok", null);
  }
}
