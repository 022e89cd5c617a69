/** What the end of a generation's leading process means for the rest of it, carried out (departure.ts says what). */
import type { RunningContext } from "./context.ts";
import type { ExitReport } from "../lifecycle/vocabulary.ts";
import type { ExitStatus } from "../platform/process/processes.ts";
import type { GenerationFacts } from "../succession/state/resume_state.ts";
import { leaderExit } from "./leader_exit.ts";
import { reportExit } from "../report/exit_report.ts";
import type { Gate } from "./gate.ts";
import { describeVictims, type KilledProcess } from "../report/killed_processes.ts";
import { LeftoverSignals } from "./leftover_signals.ts";
import type { ServerProcess } from "../process/server_process.ts";
import type { StopPolicy } from "./stop_policy.ts";
import type { Stopping } from "./stopping.ts";

/** What this needs of its generation. */
interface ExitingGeneration {
  readonly context: RunningContext;
  readonly epoch: number;
  readonly facts: GenerationFacts;
  readonly hints: readonly string[];
  readonly gate: Gate;
  readonly server: ServerProcess | null;
  processes(): number[];
  readonly timers: { limit(timer: "stop", delayMs: number): void };
}

export class LeaderExitSteps {
  readonly #rest: LeftoverSignals;
  #onRestGone: (() => void) | null = null;
  readonly #onEnd: (exit: ExitReport) => void;
  readonly policy: StopPolicy;
  #hadTerminal = false;

  constructor(
    readonly generation: ExitingGeneration,
    readonly stopping: Pick<Stopping, "policy" | "spareRest" | "cutRest">,
    onEnd: (exit: ExitReport) => void,
  ) {
    const { platform, config, listeners } = generation.context;
    this.policy = stopping.policy;
    this.#rest = new LeftoverSignals({
      ...{ platform, config, policy: this.policy },
      ports: () => listeners,
      processes: () => generation.processes(),
      onOverdue: () => stopping.cutRest(),
      onTold: () => {
        generation.facts.stopTold = true;
      },
    });
    this.#onEnd = (exit) => {
      this.#rest.cancel();
      onEnd(exit);
    };
  }

  onExit(status: ExitStatus, lingering: number): void {
    const { facts, epoch, context, server: server } = this.generation;
    const { stopSignal } = this.policy;
    const killed = server?.wasKilled ?? false;
    this.#hadTerminal = context.foreground.onLeaderExit(server?.pid ?? 0);
    const serves = this.#serves() && !this.#hadTerminal;
    switch (leaderExit({ status, lingering, facts, stopSignal, serves, killed })) {
      case "ended":
        if (lingering > 0) this.#leaveRest();
        return this.#onEnd(this.#report(status));
      case "tell_rest":
        return this.#tellRest(false);
      case "tell_rest_gently":
        return this.#tellRest(true);
      case "wait":
        return;
      case "to_background":
        facts.daemonized = true;
        context.log(
          `generation ${epoch} went to the background: its processes are followed, ` +
            `but tell the server to stay in the foreground if it can`,
        );
    }
  }

  /** Some process of it that the leader has left behind can serve on. */
  #serves(): boolean {
    const { gate, context: { listeners }, epoch } = this.generation;
    return gate.listening.length > 0 &&
      this.generation.processes().some((pid) => listeners.isHeldBy(pid, epoch));
  }

  #tellRest(gently: boolean): void {
    const { config } = this.generation.context;
    if (gently) this.stopping.spareRest();
    // The time in which a server finishes its requests is not for helpers.
    if (this.#rest.tell(gently) === 0) this.generation.timers.limit("stop", config.stopTimeMs);
  }

  /** Its end is known; what it leaves is told to end too, and followed until it has. */
  #leaveRest(): void {
    const { context, epoch } = this.generation;
    const { leftovers: remnants, config, logError } = context;
    const sinceMs = performance.now();
    this.#rest.tell(false);
    this.#onRestGone = () => {};
    remnants.add(
      {
        epoch,
        processes: () => this.generation.processes(),
        kill: () => this.#killRest(sinceMs),
        onGone: () => {
          const then = this.#onRestGone;
          this.#onRestGone = null;
          then?.();
        },
      },
      config.stopTimeMs,
      logError,
    );
  }

  #killRest(sinceMs: number): KilledProcess[] {
    const { epoch, server: server } = this.generation;
    const afterMs = performance.now() - sinceMs;
    const killed = describeVictims(epoch, this.generation.processes(), afterMs);
    server?.kill();
    return killed;
  }

  /** It has ended, and what it has left has its time. */
  get isFollowed(): boolean {
    return this.#onRestGone !== null;
  }

  /** What it leaves needs it still: `then` is called when that is gone. @returns false: nothing does */
  whenRestGone(then: () => void): boolean {
    if (this.#onRestGone === null) return false;
    const { context: { listeners }, epoch } = this.generation;
    this.#onRestGone = () => {
      // It may have listened once more.
      listeners.retire(epoch);
      then();
    };
    return true;
  }

  /** It goes on in another baton, which may have been started in the middle of this. */
  resume(): void {
    const { facts, server: server } = this.generation;
    if (server?.exitStatus && facts.stopSent && !facts.stopTold) this.#tellRest(true);
  }

  /** The last of its processes is gone. */
  onGone(): void {
    const status = this.generation.server?.exitStatus;
    if (status) this.#onEnd(this.#report(status));
  }

  #report(status: ExitStatus): ExitReport {
    const { facts, hints, context } = this.generation;
    const report = reportExit(status, {
      stopSignal: facts.stopSent ? this.policy.stopSignal : null,
      daemonized: facts.daemonized,
      hints,
    });
    // Without its terminal no program ends well: Node aborts at its exit, Python cannot flush.
    const asRequested = report.asRequested || facts.stopSent && context.foreground.isClosed;
    return { ...report, asRequested, isFinal: this.#hadTerminal };
  }
}
