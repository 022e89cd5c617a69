/** How generations, and the service, come to their end: drain, stop signal, kill. Pure. */
import { Edit } from "./edit.ts";
import { type Generation, withOutcome } from "./generation.ts";
import { servingOf } from "./state.ts";
import { EXIT_NEW_GENERATION_FAILED } from "./status.ts";

export class Ending extends Edit {
  protected beginDrain(generation: Generation, stopping: boolean): void {
    this.update({ ...generation, state: "draining" });
    this.do({ kind: "drain", epoch: generation.epoch, stopping });
    this.do({ kind: "arm", timer: "drain", epoch: generation.epoch });
  }

  protected stop(generation: Generation): void {
    this.update({ ...generation, state: "stopping", standsIn: false });
    this.do({ kind: "disarm", timer: "drain", epoch: generation.epoch });
    this.do({ kind: "signal_stop", epoch: generation.epoch });
    this.do({ kind: "arm", timer: "stop", epoch: generation.epoch });
  }

  /**
   * The serving generation listens wherever they did, or is not waited for any more. What has come to them meanwhile
   * has the same time to end as what was there at the switch.
   */
  protected releaseStandIns(kept: readonly number[] = [], stopping = false): void {
    for (const generation of this.state.generations) {
      const { epoch, standsIn, state } = generation;
      if (!standsIn || state !== "draining" || kept.includes(epoch)) continue;
      this.update({ ...generation, standsIn: false });
      this.do({ kind: "drain_rest", epoch, stopping });
      this.do({ kind: "arm", timer: "drain", epoch });
    }
  }

  /** Whatever was under way; who gets the connections stays as it is. */
  protected endTrial(epoch: number): void {
    if (this.state.trial?.phase === "ramp") this.do({ kind: "end_ramp", epoch });
    this.do({ kind: "disarm", timer: "bake", epoch });
    this.set({ trial: null });
  }

  /** Nothing can serve any more: stop what is left and finish with `status`. */
  protected end(status: number): void {
    this.set({ finalStatus: status });
    this.requestStop();
  }

  protected requestStop(spentMs = 0): void {
    if (this.state.awaitsTakeover) return this.#abandon();
    if (spentMs > 0) this.do({ kind: "shorten_drains", byMs: spentMs });
    const level = this.state.stopRequests + 1;
    this.set({ stopRequests: level });
    if (this.state.upgrade !== null) {
      this.do({ kind: "abort_upgrade" });
      this.answerUpgrade("failed", "baton is stopping");
    }
    if (level === 1) this.refuseReloads();
    this.do({ kind: "disarm_backoff" });
    this.set({ replacing: false });
    const { behind } = this.state;
    if (behind !== null) this.do({ kind: "give_up_late", epoch: behind, inTime: false });
    if (level === 1) this.releaseStandIns([], true);
    if (this.state.orphanedListeners !== null) {
      this.retire(this.state.orphanedListeners);
      this.set({ orphanedListeners: null });
    }
    this.retireLeftover();
    for (const generation of this.state.generations) this.#stopAtLevel(generation, level);
  }

  #stopAtLevel(generation: Generation, level: number): void {
    const { epoch, state } = generation;
    if (state === "starting" || state === "probing") {
      this.do({ kind: "disarm", timer: "ready", epoch });
      this.update({ ...withOutcome(generation, "stopped"), state: "stopping" });
      this.do({ kind: "kill", epoch });
    } else if (state === "serving" || state === "baking") {
      this.disarmServing(epoch);
      if (state === "baking") this.endTrial(epoch);
      this.beginDrain(withOutcome(generation, "stopped"), true);
    } else if (state === "draining" && level === 2) {
      this.stop(withOutcome(generation, "stopped"));
    } else if (level >= 3) {
      this.disarmAll(epoch);
      const killed = { state: "stopping", cut: true, standsIn: false } as const;
      this.update({ ...withOutcome(generation, "stopped"), ...killed });
      this.do({ kind: "kill", epoch, overdue: true });
    }
  }

  /** The new baton serves: what is left here is drained, and then this one ends. */
  protected handOver(): void {
    if (this.state.upgrade === null) return;
    this.answerUpgrade("ok", null);
    const serving = servingOf(this.state);
    this.set({ stopRequests: 1, finalStatus: 0, handedOver: serving?.epoch ?? null });
    this.refuseReloads();
    this.retireLeftover();
    this.releaseStandIns();
    if (serving === null) return;
    this.disarmServing(serving.epoch);
    this.beginDrain(withOutcome(serving, "superseded"), false);
  }

  /** The new baton is gone. What still drains has lost nothing: it serves again. */
  protected takeBack(): void {
    const { handedOver, generations, stopRequests } = this.state;
    const generation = generations.find(({ epoch }) => epoch === handedOver);
    if (generation?.state !== "draining" || stopRequests !== 1) {
      const text = "nobody serves any more: this baton had been told to stop, and does";
      return this.do({ kind: "notice", text });
    }
    const { epoch } = generation;
    this.set({ stopRequests: 0, finalStatus: null, handedOver: null });
    this.update({ ...generation, state: "serving", outcome: null, reason: null });
    this.do({ kind: "disarm", timer: "drain", epoch });
    this.do({ kind: "take_back", epoch });
    this.do({ kind: "arm", timer: "health", epoch });
  }

  /** A new baton that has not taken over is told to stop: the old one goes on alone. */
  #abandon(): void {
    for (const generation of this.state.generations) {
      if (generation.state !== "serving") this.do({ kind: "kill", epoch: generation.epoch });
    }
    this.set({ finished: true });
    this.do({ kind: "finish", status: EXIT_NEW_GENERATION_FAILED });
  }

  protected refuseReloads(): void {
    const requests = [...this.state.waiting, ...(this.state.queued ?? [])];
    this.set({ waiting: [], queued: null });
    if (requests.length === 0) return;
    this.do({
      kind: "reload_result",
      requests,
      epoch: null,
      result: "refused",
      reason: "baton is stopping",
    });
  }
}
