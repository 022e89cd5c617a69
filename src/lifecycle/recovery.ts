/**
 * What follows when the serving generation crashes, or is not healthy: the one on trial, a warm older one, or a fresh
 * one, with growing delays. Pure.
 */
import { backoffDelay } from "./backoff.ts";
import { type Generation, withOutcome } from "./generation.ts";
import { Promotion } from "./promotion.ts";
import { bakingOf, candidateOf, servingOf } from "./state.ts";
import type { ExitReport } from "./vocabulary.ts";

export class Recovery extends Promotion {
  protected servingExited(generation: Generation, exit: ExitReport): void {
    const isWish = exit.status === 0 && !this.#isReloading();
    this.set({ awaitsTakeover: false, behind: null, aftermathOf: null });
    if (this.state.replacing) this.do({ kind: "disarm_backoff" });
    this.set({ replacing: false });
    const baking = bakingOf(this.state);
    if (baking !== null) {
      this.#promoteInstead(baking, `generation ${generation.epoch} ended: ${exit.text}`);
      return this.retire(generation.epoch);
    }
    if (this.state.upgrade !== null) {
      this.do({ kind: "abort_upgrade" });
      this.answerUpgrade("failed", `the serving generation ended meanwhile: ${exit.text}`);
    }
    if (isWish || exit.isFinal || this.policy.onCrash === "exit") {
      this.do({
        kind: "notice",
        text: `the server ended by itself: ${exit.text}; baton ends too`,
      });
      this.retire(generation.epoch);
      return this.end(exit.status);
    }
    const candidate = candidateOf(this.state);
    this.do({
      kind: "notice",
      text: exit.status === 0
        ? `generation ${generation.epoch} ended during a reload: ${exit.text}; it is replaced`
        : `generation ${generation.epoch} crashed: ${exit.text}`,
    });
    // Its members stay open: connections that wait in their queues go to the heir.
    if (this.state.orphanedWorkers !== null) {
      this.do({ kind: "return_members", epoch: this.state.orphanedWorkers, to: generation.epoch });
    }
    this.set({ orphanedListeners: generation.epoch, orphanedWorkers: null });
    if (candidate === null) return this.scheduleRestart(exit.status);
    if (candidate.state === "starting" && !this.policy.membersAtStart) {
      this.update({ ...candidate, replaces: generation.epoch });
      return this.do({ kind: "make_heir", epoch: candidate.epoch, heirOf: generation.epoch });
    }
    // It listens on members of its own already and cannot take the waiting connections over: a fresh
    // one can, and is the same version.
    this.do({ kind: "disarm", timer: "ready", epoch: candidate.epoch });
    this.update({ ...withOutcome(candidate, "superseded"), state: "stopping" });
    this.do({ kind: "kill", epoch: candidate.epoch });
    this.set({ queued: [...this.state.waiting, ...(this.state.queued ?? [])], waiting: [] });
  }

  /**
   * Somebody wants the service to go on with another generation, or has just wanted that: an end is an accident then,
   * or the doing of a copy that has met the one before (a lock, a socket of its own), and no wish.
   */
  #isReloading(): boolean {
    const { queued, replacing, upgrade, aftermathOf, generations } = this.state;
    if (candidateOf(this.state) !== null || queued !== null) return true;
    if (replacing || upgrade !== null || aftermathOf === "failed") return true;
    const isLeaving = generations.some(({ state, outcome }) =>
      outcome === "superseded" && (state === "draining" || state === "stopping")
    );
    return aftermathOf === "ok" && isLeaving;
  }

  /** It is on trial, so it has passed its gate, and goes before all others. */
  #promoteInstead(baking: Generation, what: string): void {
    this.do({ kind: "notice", text: `${what}; ${baking.epoch} is promoted` });
    this.promote(baking);
  }

  protected scheduleRestart(status: number): void {
    const crashes = this.state.crashes + 1;
    this.set({ crashes });
    const delayMs = backoffDelay(crashes, this.policy.backoff);
    if (delayMs === null) {
      this.do({
        kind: "notice",
        text: `giving up after ${crashes} crashes in a row (--crash-limit)`,
      });
      return this.end(status);
    }
    if (this.state.queued === null) this.do({ kind: "arm_backoff", delayMs });
  }

  protected backoffElapsed(): void {
    const isWanted = servingOf(this.state) === null || this.state.replacing;
    this.set({ replacing: false });
    if (this.stopping || candidateOf(this.state) !== null || !isWanted) return;
    this.set({ queued: this.state.queued ?? [] });
  }

  /**
   * By the one on trial, or the one before it, if that is still warm, or a fresh one; with growing delays, which
   * have a cap.
   */
  protected replaceUnhealthy(generation: Generation, reason: string): void {
    const { epoch } = generation;
    const what = `generation ${epoch} is not healthy: ${reason}`;
    const { replacing, upgrade, queued, generations } = this.state;
    if (this.stopping || replacing || upgrade !== null || this.state.awaitsTakeover) {
      return this.do({ kind: "notice", text: what });
    }
    const baking = bakingOf(this.state);
    if (baking !== null) {
      // The reason stays: nobody goes back to it, should the other one not be healthy either.
      this.update(withOutcome(generation, "superseded", reason));
      return this.#promoteInstead(baking, what);
    }
    this.do({ kind: "notice", text: what });
    const warm = generations.findLast(({ state, outcome, reason }) =>
      state === "draining" && outcome === "superseded" && reason === null
    );
    if (warm !== undefined) {
      this.do({ kind: "disarm", timer: "drain", epoch: warm.epoch });
      this.do({ kind: "steer_back", epoch: warm.epoch });
      this.update({ ...warm, state: "serving", outcome: null, reason: null, standsIn: false });
      this.do({ kind: "arm", timer: "health", epoch: warm.epoch });
      this.disarmServing(epoch);
      this.do({ kind: "rolled_back", epoch, reason });
      return this.beginDrain(withOutcome(generation, "rolled back", reason), false);
    }
    // A fresh one is on its way.
    if (queued !== null || candidateOf(this.state) !== null) return;
    const crashes = this.state.crashes + 1;
    this.set({ crashes });
    const delayMs = backoffDelay(crashes, this.policy.backoff);
    if (delayMs === null) {
      const text = `not replaced again after ${crashes} times in a row (--crash-limit)`;
      return this.do({ kind: "notice", text });
    }
    this.set({ replacing: true });
    this.do({ kind: "arm_backoff", delayMs });
  }
}
