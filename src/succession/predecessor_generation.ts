/**
 * The old baton's generation as the new baton sees it: it serves until the new generation has passed its gate, is then
 * drained by its own baton, and is gone when that baton has exited.
 */
import type { RunningContext } from "../generation/context.ts";
import { NOT_INSPECTED } from "../generation/candidate/inspection.ts";
import type { GenerationHandle } from "../generation/handle.ts";
import { processTree } from "../platform/process/proc.ts";
import { sayGoodbyeTo } from "./predecessor_goodbye.ts";
import type { Listeners } from "../steering/listeners.ts";
import type { CountersRecord } from "../report/history.ts";
import type { MemberRecord } from "../steering/member.ts";
import type { PredecessorEvents } from "./takeover/takeover_client.ts";
import type { PredecessorRecovery } from "./upgrade/predecessor_recovery.ts";

/** The old baton as its successor talks to it: its parent (`upgrade/`), or an unrelated process (`takeover/`). */
export interface PredecessorBaton {
  readonly state: {
    readonly epoch: number;
    readonly startedAt: string;
    /** Id of the serving process; null: it is unknown here. */
    readonly servingPid: number | null;
    readonly notified: boolean;
    readonly counters: CountersRecord;
    readonly groups: readonly { readonly members: readonly MemberRecord[] }[];
    /** Epoch of the first generation here. */
    readonly nextEpoch: number;
    /** How many workers an operator has asked for; null or missing: as configured. */
    readonly workers?: number | null;
  };
  importInto(listeners: Listeners): void;
  watch(events: PredecessorEvents): void;
  /** Calls `go` when the old baton lets generation `epoch` of this one serve. */
  beforeServing(epoch: number, go: () => void): void;
  reportServing(): void;
  reportFailure(reason: string): void;
  /** Asks it to stop sooner, or kills it. */
  stop(how: "soon" | "now"): void;
}

interface PredecessorGenerationOptions extends PredecessorEvents, RunningContext {
  readonly predecessor: PredecessorBaton;
  readonly recovery: PredecessorRecovery | null;
  /** The new generation serves. Takes the names over, before the old baton hears of it. */
  readonly onTakenOver: () => void;
  /** The old baton has exited. @returns epochs whose servers outlive it, and belong to this baton from here on */
  readonly adopt: () => ReadonlySet<number>;
}

export class PredecessorGeneration implements GenerationHandle {
  readonly epoch: number;
  readonly startedAt: Date;
  readonly pid: number | null;
  readonly notified: boolean;
  readonly replacementOf = null;
  readonly losses = { cut: 0, undecided: 0, kept: null, seen: null };
  readonly tracks = null;
  readonly inspected = NOT_INSPECTED;
  readonly takesConnections = false;
  readonly checks = [];
  readonly output = null;
  readonly outputIsDirect = true;
  /** No timers: its own baton keeps the time. */
  readonly timers = { arm: () => {}, disarm: () => {}, limit: () => {}, dueAtMs: () => null };
  /** What it is in this baton's lifecycle. */
  phase: "serving" | "draining" | "stopping" = "serving";
  #isNotified = false;

  constructor(readonly options: PredecessorGenerationOptions) {
    const { listeners, predecessor } = options;
    const { state } = predecessor;
    predecessor.importInto(listeners);
    this.epoch = state.epoch;
    this.startedAt = new Date(state.startedAt);
    this.pid = state.servingPid;
    this.notified = state.notified;
    const { onGivenUp, onResume } = options;
    predecessor.watch({ onGone: () => this.#onGone(), onGivenUp, onResume });
  }

  #onGone(): void {
    const exit = { status: 1, asRequested: true, text: "the old baton has ended" };
    let adopted: ReadonlySet<number> = new Set();
    try {
      adopted = this.options.adopt();
      this.#settleListeners(adopted);
      // The names are free now: this baton answers under them, whether its generation serves already or not.
      if (!this.#isNotified) this.options.onTakenOver();
      this.options.onGone();
    } finally {
      // An adopted generation's exit is reported by whatever adopted it.
      if (!adopted.has(this.epoch)) {
        this.options.dispatch({ kind: "exited", epoch: this.epoch, exit });
      }
    }
  }

  /** No other baton holds the members now; those of generations before the serving one are closed. */
  #settleListeners(adopted: ReadonlySet<number>): void {
    const { listeners, predecessor } = this.options;
    listeners.groups.forEach((group) => group.unshare());
    const records = predecessor.state.groups.flatMap(({ members }) => members);
    const epochs = new Set(records.map(({ epoch }) => epoch));
    epochs.delete(this.epoch);
    for (const epoch of epochs) if (!adopted.has(epoch)) listeners.retire(epoch);
  }

  stopTimeMs(): number {
    return 0;
  }

  processes(): number[] {
    return this.pid === null ? [] : processTree(this.pid);
  }

  beginDrain(): void {
    this.phase = "draining";
    try {
      this.options.onTakenOver();
    } finally {
      // Names that cannot be taken are the smaller evil: the old baton kills this one unless it hears from it.
      this.options.predecessor.reportServing();
      this.#isNotified = true;
      sayGoodbyeTo(this.options, this.epoch, this.pid);
    }
  }

  signalStop(): void {
    this.phase = "stopping";
    this.options.predecessor.stop("soon");
  }

  kill(): void {
    this.phase = "stopping";
    if (this.#isNotified) this.options.predecessor.stop("now");
  }

  // Its own baton runs the checks, follows its connections, and decides when it serves again.
  stopLiveChecks(): void {}
  noteSockets(): void {}
  resumeServing(): void {}
  forwardSignal(): void {}
  retire(): void {}
}
