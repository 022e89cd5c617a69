/**
 * The read-only view of a running service: what `baton status` prints and tests assert on. An
 * interface: fields are added, never renamed (docs/status.md).
 */
import type { KeepAliveCounts } from "../migration/keep_alive_counts.ts";
import type { ConnectionCounts } from "../drain/connections.ts";
import type { GenerationState, Outcome } from "../lifecycle/generation.ts";
import type { KilledProcess } from "./killed_processes.ts";

interface MemberView {
  readonly epoch: number;
  /** Connections that wait to be accepted. */
  readonly backlog: number;
  /** Gets new connections. */
  readonly receiving: boolean;
}

export interface ListenerView {
  /** "127.0.0.1:8080" */
  readonly address: string;
  readonly mode: "adopt" | "inherit";
  /**
   * What systemd has passed on: a socket that is the first generation's ("grouped"), or that of all
   * generations ("shared"). Or what baton keeps in systemd's store: a socket for those who connect
   * while baton is restarted ("standby"). Null: nothing.
   */
  readonly origin: "grouped" | "shared" | "standby" | null;
  readonly members: readonly MemberView[];
}

/** One health check, or one thing that the server was to say. */
export interface CheckView {
  /** As it was given: "http:/healthz". */
  readonly check: string;
  /** Part of the gate, or of the liveness after it. */
  readonly role: "ready" | "live";
  readonly healthy: boolean;
  /** Null: there was none yet. */
  readonly lastResult: string | null;
  readonly successes: number;
  readonly failures: number;
}

export interface GenerationView {
  readonly epoch: number;
  readonly state: GenerationState;
  readonly outcome: Outcome | null;
  /** With an outcome of `failed` or `crashed`. */
  readonly reason: string | null;
  /** Leading process; null when it could not be started. */
  readonly pid: number | null;
  /** ISO 8601. */
  readonly startedAt: string;
  readonly connections: ConnectionCounts;
  /** Connections that were busy when they ended, because the generation had to, or the drain time was nearly over. */
  readonly connectionsCut: number;
  /** The same of those that were undecided then. */
  readonly connectionsUndecided: number;
  readonly checks: readonly CheckView[];
  /** With --keep-alive: it lives, and connections that clients keep open can be moved to it. */
  readonly takesConnections: boolean;
}

/** Something that took its time. */
export interface PhaseView {
  /** A state of a generation, `queued`, or a hook that runs within one. */
  readonly phase: string;
  readonly epoch: number;
  /** Null: it goes on. */
  readonly durationMs: number | null;
}

/** What became of the connections that a generation had when its drain began, or got from its queue then. */
export interface ConnectionsView {
  /** They ended with nothing owed. */
  readonly finished: number;
  readonly cut: number;
  /** They ended while it was not known whether something was owed. */
  readonly undecided: number;
  /** They are the next generation's (--keep-alive). */
  readonly moved: number;
}

/** An address where the new generation did not listen at the switch, as the one before it did. */
export interface LateView {
  /** "127.0.0.1:9000" */
  readonly address: string;
  /** Generation that new connections go to meanwhile; null: they wait in its queue, because it has ended. */
  readonly servedBy: number | null;
  readonly state: "waiting" | "opened" | "given up";
}

/** What a reload consisted of. */
export interface ReloadStory {
  /** Generation that was replaced; null: none was. */
  readonly replaced: number | null;
  /** The new generation's, in order, and those of the replaced one as far as it has come. */
  readonly phases: readonly PhaseView[];
  /** The phase in which the new generation failed. */
  readonly failedIn: string | null;
  /** Of the replaced generation; null: it still has some, or they are not known here. */
  readonly connections: ConnectionsView | null;
  readonly late: readonly LateView[];
}

export const NO_STORY: ReloadStory = {
  replaced: null,
  phases: [],
  failedIn: null,
  connections: null,
  late: [],
};

/** @returns the story alone */
export function storyOf(reload: ReloadStory | null): ReloadStory {
  const { replaced, phases, failedIn, connections, late } = reload ?? NO_STORY;
  return { replaced, phases, failedIn, connections, late };
}

export interface LastReload extends ReloadStory {
  readonly epoch: number | null;
  readonly result: "ok" | "failed" | "refused";
  readonly reason: string | null;
  /** From the request to the switch, or to the failure. */
  readonly durationMs: number;
  /**
   * Connections that were busy when their generation had to end: the replaced one, or the new one if that was rolled
   * back. Known when it has ended.
   */
  readonly connectionsCut: number;
  /** The same of those that were undecided then. */
  readonly connectionsUndecided: number;
  /** With --keep-alive: those that clients kept open with the replaced generation; null: they were let be. */
  readonly connectionsKept: KeepAliveCounts | null;
}

/** A generation that has passed its gate, while the one before it can take all back. */
export interface TrialView {
  readonly epoch: number;
  readonly phase: "canary" | "ramp" | "bake";
  /** Of the new connections, as asked for. */
  readonly percent: number;
  /** The same as counted from the kernel's socket table since the share was last changed; null: none was seen. */
  readonly seen: { readonly percent: number; readonly connections: number } | null;
}

export interface Snapshot {
  readonly name: string;
  readonly version: string;
  /** Of baton. */
  readonly pid: number;
  /** Of the serving generation; null while none serves. */
  readonly epoch: number | null;
  /** Batons that have run this service without a stop before this one: in place, or after a crash. */
  readonly incarnation: number;
  readonly command: readonly string[];
  readonly startedAt: string;
  readonly listeners: readonly ListenerView[];
  /** Alive ones, and the latest that have ended, oldest first. */
  readonly generations: readonly GenerationView[];
  readonly restarts: {
    /** Reloads that ended with a new serving generation. */
    readonly ok: number;
    readonly failed: number;
    /** Starts after a crash. */
    readonly crashes: number;
  };
  readonly lastReload: LastReload | null;
  /** Null: no generation is on trial. */
  readonly trial: TrialView | null;
  /** What baton itself uses; for leak tests and curious operators. */
  readonly self: { readonly watches: number };
}

/** What `baton upgrade` is told. */
export interface UpgradeReport {
  readonly result: "ok" | "failed" | "refused";
  readonly reason: string | null;
  /** Process id of the new baton; null when there is none. */
  readonly pid: number | null;
  readonly durationMs: number;
}

/** What becomes of a generation on trial: in, out, or this share of the new connections. */
export type Decision = "promote" | "rollback" | { readonly percent: number };

/** What `baton promote`, `rollback` and `canary` are told. */
export interface TrialReport {
  readonly result: "ok" | "refused";
  readonly epoch: number | null;
  readonly reason: string | null;
  readonly durationMs: number;
}

/** What `baton reload` is told. */
export interface ReloadReport extends ReloadStory {
  readonly result: "ok" | "failed" | "refused";
  readonly epoch: number | null;
  readonly reason: string | null;
  readonly durationMs: number;
  /** Last lines of the new generation's output, when it failed. */
  readonly output: readonly string[];
  /** It wrote to baton's own output directly, since its listen or from the start: not in `output`. */
  readonly outputIsDirect: boolean;
  /** It is on trial, and somebody has to promote it or roll it back; null: it serves, or has failed. */
  readonly trial: TrialView | null;
  /** The generation that serves after it; null: none, the server is started again. */
  readonly serving: number | null;
}

/** How a service has ended: what `baton stop` is told, a moment before baton ends. */
export interface StopReport {
  /** That `baton run` ends with. */
  readonly status: number;
  /** Processes that had to be killed since the stop was asked for. */
  readonly killed: readonly KilledProcess[];
  /** Connections that were cut since then. */
  readonly cut: number;
}

/** What is known when the traffic has been waited out, or there was no time for more of that. */
export interface DrainReport {
  /** Nobody is owed an answer. */
  readonly drained: boolean;
  /** Connections on which an answer is owed, or that wait to be accepted; null: they could not be counted. */
  readonly busy: number | null;
}

/** What a kubelet asks; `why` says what is missing, or is empty. */
export interface ProbeReport {
  /** Has been ready once. */
  readonly started: boolean;
  /** Gets traffic: false from TERM on (--ready-delay). */
  readonly ready: boolean;
  /** baton's own loop runs, and the server with it. */
  readonly live: boolean;
  readonly why: string;
}
