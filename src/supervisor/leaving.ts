/** What the end of a generation's leading process means for the rest of it, carried out (departure.ts says what). */
import type { ExitReport } from "../lifecycle/vocabulary.ts";
import type { ExitStatus } from "../platform/processes.ts";
import type { GenerationFacts } from "../upgrade/resume_state.ts";
import type { RunningContext } from "./context.ts";
import { departure } from "./departure.ts";
import { reportExit } from "./exit_report.ts";
import type { Gate } from "./gate.ts";
import type { ServerProcess } from "./server_process.ts";

/** What this needs of its generation. */
export interface LeavingGeneration {
  readonly context: RunningContext;
  readonly epoch: number;
  readonly facts: GenerationFacts;
  readonly hints: readonly string[];
  readonly gate: Gate;
  readonly process: ServerProcess | null;
}

export class Leaving {
  /** @param stopSignal of the generation's stop policy, which may still change */
  constructor(
    readonly generation: LeavingGeneration,
    readonly stopSignal: () => number,
    readonly onEnd: (exit: ExitReport) => void,
  ) {}

  onExit(status: ExitStatus, lingering: number): void {
    const { facts, gate, epoch, context, process: server } = this.generation;
    const stopSignal = this.stopSignal();
    const serves = gate.listening.length > 0;
    switch (departure({ status, lingering, facts, stopSignal, serves })) {
      case "ended":
        return this.onEnd(this.#report(status));
      case "tell_others":
        server?.signal(stopSignal);
        facts.stopTold = true;
        return;
      case "wait":
        facts.stopTold = true;
        return;
      case "to_background":
        facts.daemonized = true;
        context.log(
          `generation ${epoch} went to the background: its processes are followed, ` +
            `but tell the server to stay in the foreground if it can`,
        );
    }
  }

  /** The last of its processes is gone. */
  onGone(): void {
    const status = this.generation.process?.exitStatus;
    if (status) this.onEnd(this.#report(status));
  }

  #report(status: ExitStatus): ExitReport {
    const { facts, hints } = this.generation;
    return reportExit(status, {
      stopSignal: facts.stopSent ? this.stopSignal() : null,
      daemonized: facts.daemonized,
      hints,
    });
  }
}
