/**
 * One step of the service in the making: how the state changes and what is asked for. Mutable inside
 * `step` (service.ts), never seen outside. Pure: no clock, no process, no I/O.
 */
import { type Generation, newGeneration, withOutcome } from "./generation.ts";
import { Recovery } from "./recovery.ts";
import { isOpenEnded } from "./rollout.ts";
import { candidateOf, servingOf } from "./state.ts";
import { EXIT_DRAIN_TIMED_OUT } from "./status.ts";
import type { ExitReport, ServiceEvent } from "./vocabulary.ts";

type OfGeneration = Extract<ServiceEvent, { epoch: number }>;
type ReloadRequest = Extract<ServiceEvent, { kind: "reload_requested" }>;
type OfService = Exclude<ServiceEvent, { epoch: number }>;

export class Draft extends Recovery {
  onService(event: OfService): void {
    switch (event.kind) {
      case "start":
        if (this.state.nextEpoch === 0) this.#spawn();
        return;
      case "reload_requested":
        return this.#requestReload(event);
      case "promote_requested":
      case "rollback_requested":
      case "share_requested":
        return this.onTrialRequest(event);
      case "stop_requested":
        return this.requestStop(event.spentMs);
      case "upgrade_requested":
        return this.#requestUpgrade(event);
      case "upgrade_failed":
        if (this.state.upgrade === null) return;
        this.do({ kind: "abort_upgrade" });
        return this.answerUpgrade("failed", event.reason);
      case "handed_over":
        return this.handOver();
      case "handed_back":
        return this.takeBack();
      case "orphans_adopted": {
        const known = this.state.generations.map(({ epoch }) => epoch);
        const added = event.draining.filter(({ epoch }) => !known.includes(epoch));
        // There is nobody to leave the service to any more.
        const generations = [...added, ...this.state.generations];
        this.set({ awaitsTakeover: false, inherited: null, generations });
        return;
      }
      case "backoff_elapsed":
        return this.backoffElapsed();
    }
  }

  onGeneration(generation: Generation, event: OfGeneration): void {
    switch (event.kind) {
      case "listening":
        return this.update({ ...generation, state: "probing" });
      case "ready":
        return this.letIn(generation);
      case "ramped":
        return this.ramped(generation, event.percent);
      case "bake_elapsed":
        return this.promote(generation);
      case "unhealthy":
        return this.#unhealthy(generation, event.reason);
      case "failed":
        this.do({ kind: "disarm", timer: "ready", epoch: generation.epoch });
        this.update({ ...withOutcome(generation, "failed", event.reason), state: "stopping" });
        this.do({ kind: "kill", epoch: generation.epoch });
        return this.#candidateFailed(generation.epoch, event.reason, event.status);
      case "drained":
        return generation.standsIn ? undefined : this.stop(generation);
      // Whether that cuts anything is counted when it is done (`ExitReport.cut`).
      case "drain_timed_out":
        return generation.standsIn ? undefined : this.stop(generation);
      case "behind":
        return this.#fallBehind(event.epoch, event.standIns);
      case "caught_up":
        if (this.state.behind !== null) {
          this.do({ kind: "disarm", timer: "late", epoch: event.epoch });
        }
        this.set({ behind: null });
        return this.releaseStandIns();
      case "late_timed_out":
        this.set({ behind: null });
        this.do({ kind: "give_up_late", epoch: event.epoch, inTime: true });
        return this.releaseStandIns();
      case "stop_timed_out":
        this.update({ ...generation, cut: true });
        return this.do({ kind: "kill", epoch: generation.epoch, overdue: true });
      case "healthy":
        this.retireLeftover();
        this.set({ crashes: 0 });
        if (this.state.aftermathOf === "ok") this.set({ aftermathOf: null });
        return;
      case "aftermath_timed_out":
        return this.set({ aftermathOf: null });
      case "exited":
        return this.#exited(generation, event.exit);
    }
  }

  /** What follows from the state alone: start what is queued, end when nothing is left. */
  settle(): void {
    if (this.state.finished) return;
    if (this.stopping) {
      if (this.state.generations.length === 0) {
        this.set({ finished: true });
        this.do({ kind: "finish", status: this.state.finalStatus ?? 0 });
      }
      return;
    }
    if (this.state.upgrade !== null) return;
    if (this.state.queued === null || candidateOf(this.state) !== null) return;
    // A failed heir gives back what it was given when it has ended, and the next one needs that.
    const { orphanedListeners: bequest, generations } = this.state;
    if (bequest !== null && generations.some(({ replaces: heirOf }) => heirOf === bequest)) return;
    if (this.state.generations.length < this.policy.maxGenerations) {
      const { queued: waiting, nextRollout: rollout } = this.state;
      this.set({ waiting, queued: null, rollout, nextRollout: this.policy.rollout });
      this.#spawn();
      return;
    }
    // Room is made by ending the oldest generation that is on its way out anyway; its exit is an
    // event, and settles again.
    const oldest = this.state.generations.find(({ state }) => state === "draining");
    // What never served was killed when it failed.
    const killedAlready = this.state.generations.some(({ state, cut, served }) =>
      state === "stopping" && (cut || !served)
    );
    const victim = oldest ?? this.state.generations.find(({ state }) => state === "stopping");
    if (killedAlready || victim === undefined) return;
    this.disarmAll(victim.epoch);
    this.update({ ...victim, state: "stopping", cut: true, standsIn: false });
    this.do({
      kind: "notice",
      text: `generation ${victim.epoch} is killed while draining: ` +
        `${this.policy.maxGenerations} generations are alive (--max-generations)`,
    });
    this.do({ kind: "kill", epoch: victim.epoch });
  }

  #spawn(): void {
    const epoch = this.state.nextEpoch;
    this.set({
      nextEpoch: epoch + 1,
      generations: [...this.state.generations, newGeneration(epoch, this.state.orphanedListeners)],
    });
    this.do({ kind: "disarm_backoff" });
    this.set({ replacing: false });
    this.do({ kind: "spawn", epoch, heirOf: this.state.orphanedListeners });
    this.do({ kind: "arm", timer: "ready", epoch });
  }

  #requestReload({ request, rollout = this.policy.rollout }: ReloadRequest): void {
    const { trial } = this.state;
    const reason = this.stopping
      ? "baton is stopping"
      : trial !== null && isOpenEnded(trial, this.state.rollout)
      ? "a generation is on trial: promote it or roll it back first"
      : null;
    if (reason !== null) {
      const refused = { epoch: null, result: "refused", reason } as const;
      return this.do({ kind: "reload_result", requests: [request], ...refused });
    }
    // One place in the queue: whoever asks while a candidate is on its way shares the next one.
    this.set({ queued: [...(this.state.queued ?? []), request], nextRollout: rollout });
  }

  /** Where it does not listen yet those before it go on, and their drain has no end meanwhile. */
  #fallBehind(epoch: number, standIns: readonly number[]): void {
    if (this.state.behind !== epoch) this.do({ kind: "arm", timer: "late", epoch });
    this.set({ behind: epoch });
    for (const generation of this.state.generations) {
      const isOne = generation.state === "draining" && standIns.includes(generation.epoch);
      if (isOne) this.update({ ...generation, standsIn: true });
    }
    this.releaseStandIns(standIns);
  }

  #candidateFailed(epoch: number, reason: string, status: number): void {
    this.do({ kind: "notice", text: `generation ${epoch} failed: ${reason}` });
    this.answer(epoch, "failed", reason);
    if (this.state.awaitsTakeover) {
      // The other baton goes on as if nothing had been; what it serves is none of our business.
      this.set({ finished: true });
      return this.do({ kind: "finish", status });
    }
    if (servingOf(this.state) !== null) return this.noteFailure();
    if (!this.state.served) return this.end(status);
    this.scheduleRestart(status);
  }

  #exited(generation: Generation, exit: ExitReport): void {
    this.disarmAll(generation.epoch);
    // Whatever is left of its process group ends with it.
    this.do({ kind: "kill", epoch: generation.epoch });
    this.set({
      generations: this.state.generations.filter(({ epoch }) => epoch !== generation.epoch),
    });
    if (generation.epoch === this.state.inherited) this.set({ inherited: null });
    switch (generation.state) {
      case "starting":
      case "probing": {
        const reason = `it ended before it was ready: ${exit.text}`;
        // Before it is retired: its last words are part of the answer.
        this.answer(generation.epoch, "failed", reason);
        this.#retireCandidate(generation);
        return this.#candidateFailed(generation.epoch, reason, exit.status);
      }
      case "baking":
        return this.crashedOnTrial(generation, `it ended: ${exit.text}`);
      case "serving":
        return this.servingExited(generation, exit);
      default:
        if (generation.outcome === "failed") this.#retireCandidate(generation);
        else this.retire(generation.epoch);
        this.#noteFinalStatus(generation, exit);
    }
  }

  /** An heir that failed gives the crashed generation's members back: the next heir gets them. */
  #retireCandidate({ epoch, replaces: heirOf }: Generation): void {
    if (heirOf === null || heirOf !== this.state.orphanedListeners) return this.retire(epoch);
    this.do({ kind: "return_members", epoch, to: heirOf });
  }

  #noteFinalStatus(generation: Generation, exit: ExitReport): void {
    if (!this.stopping || this.state.finalStatus !== null) return;
    const isCut = (exit.cut ?? 0) > 0;
    if (isCut) return this.set({ finalStatus: EXIT_DRAIN_TIMED_OUT });
    // A candidate that was killed because the service stops says nothing about the service.
    if (generation.outcome !== "stopped" || !generation.served) return;
    const status = generation.cut ? EXIT_DRAIN_TIMED_OUT : exit.asRequested ? 0 : exit.status;
    if (status !== 0) this.set({ finalStatus: status });
  }

  #requestUpgrade({ request, inPlace }: { request: number; inPlace: boolean }): void {
    const busy = this.stopping
      ? "baton is stopping"
      : this.state.upgrade !== null || this.state.awaitsTakeover
      ? "another upgrade is under way"
      : candidateOf(this.state) !== null || this.state.queued !== null || this.state.replacing
      ? "a reload is under way"
      : servingOf(this.state) === null
      ? "nothing serves"
      : inPlace && this.state.inherited !== null
      // That one would see the end of this program, and serve again.
      ? "the old baton still drains"
      : null;
    if (busy !== null) {
      return this.do({
        kind: "upgrade_result",
        requests: [request],
        result: "refused",
        reason: busy,
      });
    }
    this.set({ upgrade: [request] });
    this.do({ kind: "begin_upgrade", inPlace });
  }

  #unhealthy(generation: Generation, reason: string): void {
    if (generation.state !== "baking") return this.replaceUnhealthy(generation, reason);
    if (this.policy.rollsBackUnhealthy) return this.rollBack(generation, reason);
    this.do({ kind: "notice", text: `generation ${generation.epoch} is not healthy: ${reason}` });
  }
}
