/**
 * The read-only view of a running service that `baton status` prints and tests assert on, and the reports that requests
 * are answered with. An interface: fields are added, never renamed (docs/status.md).
 */
import type { KeepAliveCounts } from "../migration/in_flight.ts";
import type { ConnectionCounts } from "../drain/connections.ts";
import type { GenerationState, Outcome } from "../lifecycle/generation.ts";
import type { StateProgress } from "./state_progress.ts";
import type { FrontView } from "../front/front_view.ts";
import type { DrainCallCounts, DrainCallView } from "./drain_calls.ts";
import type { WorkerStatus } from "./worker_status.ts";
import type { KilledProcess, LeftProcess } from "./killed_processes.ts";

interface MemberView {
  readonly epoch: number;
  /** Number of the worker in its generation. */
  readonly worker: number;
  /** Connections that wait to be accepted; of UDP: bytes that wait to be read, with the kernel's overhead. */
  readonly backlog: number;
  readonly receiving: boolean;
  /** Behind a front, its private address: "127.66.3.1:3000"; else null. */
  readonly dialed: string | null;
}

export interface ListenerView {
  /** The address as text: "127.0.0.1:8080", "udp:127.0.0.1:53". */
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

/** One health check, or one line that the server is to print. */
export interface CheckView {
  /** The check as it is configured: "http:/healthz". */
  readonly check: string;
  /** Whether it is part of the gate, or of the liveness checks after it. */
  readonly role: "ready" | "live";
  readonly healthy: boolean;
  /** The latest result; null: there is none yet. */
  readonly lastResult: string | null;
  readonly successes: number;
  readonly failures: number;
}

export interface GenerationView extends EndedGeneration, StateProgress {
  /** The workers, by number; empty for a generation that has exited. */
  readonly workers: readonly WorkerStatus[];
  /** The latest calls; empty for a generation that has exited. */
  readonly drainCalls: readonly DrainCallView[];
}

export interface EndedGeneration {
  readonly epoch: number;
  readonly state: GenerationState;
  readonly outcome: Outcome | null;
  /** Why, with an outcome of `failed` or `crashed`; else null. */
  readonly reason: string | null;
  /** Leading process; null when it could not be started. */
  readonly pid: number | null;
  /** ISO 8601. */
  readonly startedAt: string;
  readonly connections: ConnectionCounts;
  /** Connections that were busy when they were ended, with the generation or because the drain time was nearly over. */
  readonly connectionsCut: number;
  /** Connections of which it is not known whether they were busy. */
  readonly connectionsUndecided: number;
  readonly checks: readonly CheckView[];
  /** Whether it lives with --keep-alive, so that idle keep-alive connections can be moved to it. */
  readonly takesConnections: boolean;
}

export interface PhaseView {
  /** A state of a generation, `queued`, or a hook that runs within such a state. */
  readonly phase: string;
  readonly epoch: number;
  /** How long it took; null: it is not over. */
  readonly durationMs: number | null;
}

/** The fate of the connections that a generation had when its drain began, or accepted from its queue then. */
export interface ConnectionsView {
  /** Connections that ended without a pending response. */
  readonly finished: number;
  readonly cut: number;
  /** Connections that ended while it was not known whether a response was pending. */
  readonly undecided: number;
  /** Connections that the next generation has (--keep-alive). */
  readonly moved: number;
}

/** An address where the new generation did not listen at the switch, but the one before it did. */
export interface LateView {
  /** The address as text: "127.0.0.1:9000". */
  readonly address: string;
  /** Generation that new connections go to meanwhile; null: it has exited, and they wait in its queue. */
  readonly servedBy: number | null;
  readonly state: "waiting" | "opened" | "given up";
}

/** A file that both generations had open for writing when the new one was to serve (--shared-files). */
interface SharedFileView {
  readonly path: string;
  /** `mapped`: as shared memory. */
  readonly how: "open" | "mapped";
  /** One process of each generation that has it, the older generation first. */
  readonly holders: readonly {
    readonly epoch: number;
    readonly pid: number;
    readonly name: string;
  }[];
}

/** The time in which new connections waited, because the old generation was stopped before the new one started. */
export interface HeldView {
  readonly durationMs: number;
  /** Connections that waited in the queue of a listener. */
  readonly clients: number;
  readonly longestWaitMs: number;
  /** How often a queue was full: those clients try again by themselves, a second later at first (--backlog). */
  readonly overflows: number;
}

export interface ReloadStory {
  readonly replaced: number | null;
  /** Phases of the new generation in order, then those of the replaced one so far. */
  readonly phases: readonly PhaseView[];
  /** The phase in which the new generation failed. */
  readonly failedIn: string | null;
  /** Connections of the replaced generation; null: it still has some, or they cannot be counted here. */
  readonly connections: ConnectionsView | null;
  readonly late: readonly LateView[];
  /** The wait of new connections with --order stop-first; null: the generation before served until the new one did. */
  readonly held: HeldView | null;
  /** With --order stop-first: the generation that runs the version before again, since the new one failed; null: none. */
  readonly restored: number | null;
  readonly sharedFiles: readonly SharedFileView[];
  /** Why the generation before may not be as it was, although the new one has failed; null: nothing hints at that. */
  readonly doubt: string | null;
}

/** What a look at the processes of both generations has shown. */
export type Findings = Pick<ReloadStory, "sharedFiles" | "doubt">;

export const NO_FINDINGS: Findings = { sharedFiles: [], doubt: null };

export const NO_STORY: ReloadStory = {
  replaced: null,
  phases: [],
  failedIn: null,
  connections: null,
  late: [],
  held: null,
  restored: null,
  ...NO_FINDINGS,
};

export function storyOf(reload: ReloadStory | null): ReloadStory {
  const isOfStory = ([field]: [string, unknown]) => Object.hasOwn(NO_STORY, field);
  return { ...NO_STORY, ...Object.fromEntries(Object.entries(reload ?? {}).filter(isOfStory)) };
}

export interface RequestReport<Result> {
  readonly result: Result;
  readonly reason: string | null;
  /** Time from the request to the answer. */
  readonly durationMs: number;
}

export interface LastReload extends ReloadStory, RequestReport<"ok" | "failed" | "refused"> {
  readonly epoch: number | null;
  /**
   * Connections that were busy when they were ended with their generation: the replaced one, or the new one if that was
   * rolled back. Complete when it has exited.
   */
  readonly connectionsCut: number;
  /** Connections of which it is not known whether they were busy. */
  readonly connectionsUndecided: number;
  /** With --keep-alive: the keep-alive connections of the replaced generation; null: they were not moved. */
  readonly connectionsKept: KeepAliveCounts | null;
}

/** What a share is of: behind a front (--front) requests, on connections that clients keep. */
export type ShareOf = "connections" | "requests";

/** A trial: a generation has passed its gate, and the one before it can take all connections back. */
export interface TrialView {
  readonly epoch: number;
  readonly phase: "canary" | "ramp" | "rolling" | "bake";
  /** The requested share, of what `shareOf` says. */
  readonly percent: number;
  readonly shareOf: ShareOf;
  /** The share as sampled from the kernel's socket table since its last change; null: no connection was seen. */
  readonly seen: { readonly percent: number; readonly connections: number } | null;
}

/** A process that servers of this service have started and that outlives them, alone at its addresses. */
interface HelperView {
  readonly pid: number;
  /** The name of its command, at most 15 characters. */
  readonly name: string;
  /** The generation that has started it. */
  readonly epoch: number;
  readonly addresses: readonly string[];
}

export interface Snapshot {
  readonly name: string;
  readonly version: string;
  /** Process id of baton. */
  readonly pid: number;
  /** Epoch of the serving generation; null while none serves. */
  readonly epoch: number | null;
  /** Number of batons that ran this service before this one without a stop: replaced in place, or crashed. */
  readonly incarnation: number;
  readonly command: readonly string[];
  /** What a reload does first (--order), and why. */
  readonly order: "start-first" | "stop-first";
  readonly orderReason: string;
  /** How the servers' own sockets come to baton; null: they do not. */
  readonly duplicates: "getfd" | "socket-trap" | "at-bind" | null;
  readonly startedAt: string;
  readonly listeners: readonly ListenerView[];
  /** Workers of a generation: `wanted` is what the next one starts with (`baton scale`). */
  readonly workers: { readonly configured: number; readonly wanted: number };
  /** Generations that are alive and the latest that have exited, oldest first. */
  readonly generations: readonly GenerationView[];
  readonly helpers: readonly HelperView[];
  readonly drainCalls: DrainCallCounts;
  /** The fronts, one for each --front. */
  readonly fronts: readonly FrontView[];
  readonly restarts: {
    /** Reloads that ended with a new serving generation. */
    readonly ok: number;
    readonly failed: number;
    /** Starts after a crash. */
    readonly crashes: number;
  };
  readonly lastReload: LastReload | null;
  readonly trial: TrialView | null;
  /** Resources of baton itself, for leak tests and curious operators. */
  readonly self: { readonly watches: number };
}

/** The answer to `baton upgrade`. */
export interface UpgradeReport extends RequestReport<"ok" | "failed" | "refused"> {
  /** Process id of the new baton; null when there is none. */
  readonly pid: number | null;
}

/** A decision about the generation on trial; `percent`: its share of the new connections. */
export type Decision = "promote" | "rollback" | { readonly percent: number };

/** The answer to `baton promote`, `rollback` and `canary`. */
export interface TrialReport extends RequestReport<"ok" | "refused"> {
  readonly epoch: number | null;
  /** What the share of the trial is of. */
  readonly shareOf: ShareOf;
}

/** The answer to `baton scale`. */
export interface ScaleReport extends RequestReport<"ok" | "failed" | "refused"> {
  /** The number of workers from now on. */
  readonly workers: number;
}

/** The answer to `baton stop`, just before baton exits. */
export interface StopReport {
  /** Exit status of `baton run`. */
  readonly status: number;
  /** Processes that were killed since the stop was requested. */
  readonly killed: readonly KilledProcess[];
  /** Processes that have left the service without a trace, and live on. */
  readonly left: readonly LeftProcess[];
  readonly cut: number;
}

/** The answer to a drain: the traffic has drained, or the time for that is over. */
export interface DrainReport {
  /** Whether no response is pending. */
  readonly drained: boolean;
  /** Connections with a pending response, or that wait to be accepted; null: they could not be counted. */
  readonly busy: number | null;
}

/** The answer to the probes of a kubelet; `why` says what is missing, or is empty. */
export interface ProbeReport {
  /** Whether the service has been ready once. */
  readonly started: boolean;
  /** Whether the service may get traffic: false from TERM on (--ready-delay). */
  readonly ready: boolean;
  /** Whether baton's own loop runs, and the server with it. */
  readonly live: boolean;
  readonly why: string;
}
