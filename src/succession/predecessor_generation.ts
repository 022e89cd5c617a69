/**
 * The generation of the old baton during an upgrade, as the new one sees it: it serves until ours has
 * passed its gate, is then drained by its own baton, and is gone when that has ended.
 */
import type { ServiceEvent } from "../lifecycle/vocabulary.ts";
import type { Platform } from "../platform/platform.ts";
import { processTree } from "../platform/process/proc.ts";
import type { Listeners } from "../steering/listeners.ts";
import type { MemberRecord } from "../steering/member.ts";
import type { PredecessorRecovery } from "./upgrade/predecessor_recovery.ts";
import type { GenerationHandle } from "../generation/handle.ts";

/** The old baton, as its successor talks to it: a parent (`upgrade/`), or a stranger (`takeover/`). */
export interface PredecessorBaton {
  readonly state: {
    /** Its serving generation. */
    readonly epoch: number;
    readonly startedAt: string;
    /** Null: not known here. */
    readonly servingPid: number | null;
    readonly notified: boolean;
    readonly counters: { readonly ok: number; readonly failed: number; readonly crashes: number };
    readonly groups: readonly { readonly members: readonly MemberRecord[] }[];
    /** Of the first generation here. */
    readonly nextEpoch?: number;
  };
  importInto(listeners: Listeners): void;
  /**
   * @param onGivenUp it will not be replaced by us: it goes on alone
   * @param onResume `listen` calls that wait for a member can be answered now
   */
  watch(onGone: () => void, onGivenUp: (reason: string) => void, onResume: () => void): void;
  /** Calls `go` when our generation `epoch` may serve as far as the old baton is concerned. */
  beforeServing(epoch: number, go: () => void): void;
  reportServing(epoch: number): void;
  reportFailure(reason: string): void;
  /** Asks it to stop sooner, or ends it. */
  stop(how: "soon" | "now"): void;
}

interface PredecessorGenerationOptions {
  readonly platform: Platform;
  readonly listeners: Listeners;
  readonly predecessor: PredecessorBaton;
  readonly recovery: PredecessorRecovery | null;
  readonly dispatch: (event: ServiceEvent) => void;
  /** Our own generation serves; says so to the world before the old baton is told. */
  readonly onTakenOver: () => void;
  /** The old baton has ended. @returns epochs whose servers go on without it, and are ours from here on */
  readonly adopt: () => ReadonlySet<number>;
  /** Everything that it has left is settled. */
  readonly onGone: () => void;
  /** It goes on alone. */
  readonly onGivenUp: (reason: string) => void;
  /** `listen` calls that wait for a member can be answered now. */
  readonly onResume: () => void;
}

export class PredecessorGeneration implements GenerationHandle {
  readonly epoch: number;
  readonly startedAt: Date;
  readonly pid: number | null;
  readonly notified: boolean;
  readonly replacementOf = null;
  readonly losses = { cut: 0, undecided: 0, kept: null, seen: null };
  readonly tracks = null;
  readonly takesConnections = false;
  readonly checks = [];
  readonly output = null;
  readonly outputIsDirect = true;
  /** Its own baton keeps the time. */
  readonly timers = { arm: () => {}, disarm: () => {}, limit: () => {} };
  /** As our lifecycle has it. */
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
    predecessor.watch(() => this.#onGone(), options.onGivenUp, options.onResume);
  }

  #onGone(): void {
    const exit = { status: 1, asRequested: true, text: "the old baton has ended" };
    let adopted: ReadonlySet<number> = new Set();
    try {
      adopted = this.options.adopt();
      this.#settleListeners(adopted);
      // Nobody has the names now: whether ours serves already or not, it is the baton that answers.
      if (!this.#isNotified) this.options.onTakenOver();
      this.options.onGone();
    } finally {
      // Otherwise its end is told by who follows it now.
      if (!adopted.has(this.epoch)) {
        this.options.dispatch({ kind: "exited", epoch: this.epoch, exit });
      }
    }
  }

  /** Nobody else holds the members now; those of generations before the serving one go. */
  #settleListeners(adopted: ReadonlySet<number>): void {
    const { listeners, predecessor } = this.options;
    listeners.groups.forEach((group) => group.unshare());
    const records = predecessor.state.groups.flatMap(({ members }) => members);
    const epochs = new Set(records.map(({ epoch }) => epoch));
    epochs.delete(this.epoch);
    for (const epoch of epochs) if (!adopted.has(epoch)) listeners.retire(epoch);
  }

  /** Of the first generation here. */
  get #nextEpoch(): number {
    return this.options.predecessor.state.nextEpoch ?? this.epoch + 1;
  }

  /** Its own baton asks. */
  stopLiveChecks(): void {}

  stopTimeMs(): number {
    return 0;
  }

  processes(): number[] {
    return this.pid === null ? [] : processTree(this.pid);
  }

  /** Its own baton does. */
  noteConnections(): void {}

  beginDrain(): void {
    this.phase = "draining";
    try {
      this.options.onTakenOver();
    } finally {
      // Names that cannot be taken are the smaller evil: unless it hears of us, the old baton ends us.
      this.options.predecessor.reportServing(this.#nextEpoch);
      this.#isNotified = true;
    }
  }

  /** Its own baton knows what it has. */
  resumeServing(): void {}

  signalStop(): void {
    this.phase = "stopping";
    this.options.predecessor.stop("soon");
  }

  kill(): void {
    this.phase = "stopping";
    if (this.#isNotified) this.options.predecessor.stop("now");
  }

  forwardSignal(): void {}

  retire(): void {}
}
