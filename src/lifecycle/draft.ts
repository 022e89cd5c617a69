/** One step in the making: the state so far and the effects so far. It decides nothing. Pure. */
import type { Generation } from "./generation.ts";
import type { ServicePolicy, ServiceState } from "./state.ts";
import type { ConfiguredTimer, GenerationTimer, ServiceEffect } from "./vocabulary.ts";

const TIMERS = ["ready", "bake", "drain", "stop", "health", "late", "aftermath"] as const;

export class Draft {
  readonly effects: ServiceEffect[] = [];

  constructor(public state: ServiceState, readonly policy: ServicePolicy) {}

  set(change: Partial<ServiceState>): void {
    this.state = { ...this.state, ...change };
  }

  /** Replaces the generation of the same epoch. */
  update(changed: Generation): void {
    const generations = this.state.generations.map((generation) =>
      generation.epoch === changed.epoch ? changed : generation
    );
    this.set({ generations });
  }

  emit(effect: ServiceEffect): void {
    this.effects.push(effect);
  }

  notice(text: string): void {
    this.emit({ kind: "notice", text });
  }

  arm(timer: ConfiguredTimer, epoch: number): void {
    this.emit({ kind: "arm", timer, epoch });
  }

  disarm(timer: GenerationTimer, epoch: number): void {
    this.emit({ kind: "disarm", timer, epoch });
  }

  disarmAll(epoch: number): void {
    for (const timer of TIMERS) this.disarm(timer, epoch);
  }

  /** Asks to exit with `status`; no other effect may follow. */
  finish(status: number): void {
    this.set({ finished: true });
    this.emit({ kind: "finish", status });
  }
}
