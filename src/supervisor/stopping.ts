/** How one generation is emptied and stopped: its drain, its stop signal, and what they cut. */
import { Drain } from "../drain/drain.ts";
import type { GenerationFacts } from "../upgrade/resume_state.ts";
import type { RunningContext } from "./context.ts";
import type { ServerProcess } from "./server_process.ts";
import { StopPolicy } from "./stop_policy.ts";

export interface Stoppable {
  readonly context: RunningContext;
  readonly epoch: number;
  readonly facts: GenerationFacts;
  readonly process: ServerProcess | null;
  processes(): number[];
}

export class Stopping {
  readonly policy: StopPolicy;
  #drain: Drain | null = null;

  constructor(readonly generation: Stoppable) {
    const { config, preset } = generation.context;
    this.policy = new StopPolicy(config, preset);
  }

  /** Nothing is waited for any more. */
  cancel(): void {
    this.#drain?.cancel();
  }

  /** It serves again. */
  endDrain(): void {
    this.cancel();
    this.#drain = null;
  }

  drain(isLast: boolean): void {
    const { context, epoch } = this.generation;
    const { platform, listeners, config } = context;
    // It goes on accepting from a socket that it shares with its successor until it is told to stop.
    const shares = listeners.groupsOf(epoch).some((group) => group.isShared);
    this.#drain = new Drain(
      platform,
      listeners,
      {
        epoch,
        style: shares && !isLast ? "signal" : this.policy.drainStyle,
        quietMs: config.quietMs,
        isLast,
        processes: () => this.generation.processes(),
      },
      () => context.dispatch({ kind: "drained", epoch }),
    );
  }

  signal(): void {
    this.#drain?.cancel();
    const { facts, process: server } = this.generation;
    // A server that is known to finish its requests may still do so; another one cuts them now.
    const count = !this.policy.finishesRequests;
    facts.stopSent = true;
    this.#cutBy(count, () => server?.signal(this.policy.stopSignal));
  }

  kill(): void {
    this.#drain?.cancel();
    const { facts, process: server } = this.generation;
    const count = this.policy.finishesRequests || !facts.stopSent;
    this.#cutBy(count, () => server?.kill());
  }

  /** Counts what a signal will cut, before it is sent; a count that fails never stops the signal. */
  #cutBy(count: boolean, send: () => void): void {
    try {
      if (count && this.#drain !== null) this.generation.facts.cut += this.#drain.recount().busy;
    } finally {
      send();
    }
  }
}
