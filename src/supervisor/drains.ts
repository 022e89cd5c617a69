/** How the drain of a generation begins: after its hook, and once more when it was needed beside its successor. */
import type { RunningContext } from "../generation/context.ts";
import type { ServiceState } from "../lifecycle/service.ts";
import type { GenerationHandle } from "../generation/handle.ts";
import { RunningGeneration } from "../generation/generation.ts";
import type { ServiceHooks } from "./service_hooks.ts";
import type { Deadlines } from "../generation/deadlines.ts";

interface DrainsParts {
  readonly context: RunningContext;
  readonly hooks: ServiceHooks;
  readonly deadlines: Deadlines;
}

export class Drains {
  constructor(readonly parts: DrainsParts) {}

  /** @param heir serves now; null: none does, baton stops */
  begin(
    old: GenerationHandle | undefined,
    stopping: boolean,
    heir: GenerationHandle | null,
    { generations }: ServiceState,
  ): void {
    const go = () => this.#go(old, stopping, heir);
    // Another baton's generation has that one's hooks.
    if (!(old instanceof RunningGeneration)) return go();
    const { outcome } = generations.find(({ epoch }) => epoch === old.epoch) ?? {};
    const reason = stopping ? "stop" : outcome === "rolled back" ? "rollback" : "reload";
    const occasion = { current: heir, old, reason };
    this.parts.hooks.beforeDrain(old, occasion, {
      begin: go,
      onDelayOver: () => this.parts.deadlines.arm("drain", old),
    });
  }

  /** What has come to it since its drain began, where its successor did not listen. Its hook has run then, or runs still. */
  rest(
    old: GenerationHandle | undefined,
    stopping: boolean,
    heir: GenerationHandle | null,
  ): void {
    if (old instanceof RunningGeneration && !this.parts.hooks.delaysDrain(old.epoch)) {
      this.#go(old, stopping, heir);
    }
  }

  #go(old: GenerationHandle | undefined, stopping: boolean, heir: GenerationHandle | null): void {
    if (stopping) this.parts.context.listeners.standBy();
    old?.beginDrain(stopping, heir);
  }
}
