/** The hands of a step: changing the state and asking for effects, and nothing that decides. Pure. */
import type { Generation } from "./generation.ts";
import type { ServicePolicy, ServiceState } from "./state.ts";
import type { ServiceEffect } from "./vocabulary.ts";

const TIMERS = ["ready", "bake", "drain", "stop", "health", "late", "aftermath"] as const;

export class Edit {
  readonly effects: ServiceEffect[] = [];

  constructor(public state: ServiceState, readonly policy: ServicePolicy) {}

  protected get stopping(): boolean {
    return this.state.stopRequests > 0;
  }

  protected set(change: Partial<ServiceState>): void {
    this.state = { ...this.state, ...change };
  }

  protected do(effect: ServiceEffect): void {
    this.effects.push(effect);
  }

  protected update(changed: Generation): void {
    const generations = this.state.generations.map((generation) =>
      generation.epoch === changed.epoch ? changed : generation
    );
    this.set({ generations });
  }

  protected disarmAll(epoch: number): void {
    for (const timer of TIMERS) {
      this.do({ kind: "disarm", timer, epoch });
    }
  }

  /** It serves no longer: what was waited for because it did is not any more. */
  protected disarmServing(epoch: number): void {
    this.do({ kind: "disarm", timer: "health", epoch });
    if (this.state.behind === epoch) this.do({ kind: "disarm", timer: "late", epoch });
    if (this.state.aftermathOf === "failed") this.do({ kind: "disarm", timer: "aftermath", epoch });
    this.set({ behind: null, aftermathOf: null });
  }

  protected retire(epoch: number): void {
    this.do({ kind: "retire", epoch });
  }

  protected answerUpgrade(result: "ok" | "failed", reason: string | null): void {
    const requests = this.state.upgrade;
    if (requests === null) return;
    this.set({ upgrade: null });
    this.do({ kind: "upgrade_result", requests, result, reason });
  }

  /** All workers of an heir have had time to listen: what they did not take over is given up. */
  protected retireLeftover(): void {
    if (this.state.orphanedWorkers !== null) this.retire(this.state.orphanedWorkers);
    this.set({ orphanedWorkers: null });
  }

  protected answer(
    epoch: number | null,
    result: "ok" | "failed" | "refused",
    reason: string | null,
  ): void {
    if (this.state.waiting.length > 0) {
      this.do({ kind: "reload_result", requests: this.state.waiting, epoch, result, reason });
    }
    this.set({ waiting: [] });
  }
}
