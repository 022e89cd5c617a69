/**
 * What a baton must know to go on where another one stopped, with the same server processes: the
 * state that travels over an exec (`upgrade --in-place`) and over a crash (`--survive`).
 *
 * Plain JSON. Descriptors travel beside it, each under the name that the functions below give it; a
 * name without a descriptor is one that is gone. A state of another version is refused with both
 * numbers; test/fixtures/handover keeps one of each version.
 */
import type { HistoryRecord } from "../../report/history.ts";
import type { ServiceState } from "../../lifecycle/state.ts";
import type { KeepAliveCounts } from "../../migration/keep_alive_counts.ts";
import type { ExitStatus } from "../../platform/process/processes.ts";
import type { GroupAddress, MemberRecord } from "../../steering/member.ts";

/** Changes whenever `ResumeState` or the names of descriptors do. */
export const RESUME_VERSION = 1;
/** Longest state: thousands of listeners. */
export const RESUME_LIMIT = 4 * 1024 * 1024;

/** The lock on the service's name. */
export const LOCK = "lock";
/** The listener of the control socket. */
export const CONTROL = "control";

export function memberName(inode: number): string {
  return `member ${inode}`;
}

/** The notify descriptor of a generation's filter. */
export function filterName(epoch: number): string {
  return `filter ${epoch}`;
}

/** The socket behind a generation's NOTIFY_SOCKET. */
export function notifyName(epoch: number): string {
  return `notify ${epoch}`;
}

/** Our end of a generation's standard output (1) or error (2). */
export function outputName(epoch: number, target: number): string {
  return `output ${epoch} ${target}`;
}

/** What happened to one generation that its processes do not show. */
export interface GenerationFacts {
  /** Its stop signal was sent. */
  stopSent: boolean;
  /** What its leader left behind was told too. */
  stopTold: boolean;
  /** It writes to baton's own descriptors. */
  handedOver: boolean;
  /** Its leading process went to the background. */
  daemonized: boolean;
  /** It has served for a while. */
  isSettled: boolean;
  /** When that began, as start times of processes are told; 0: not yet. */
  settledTicks: number;
  /** Connections that were busy when it had to end. */
  cut: number;
  /** Those of which it was not known then whether something was owed. */
  undecided: number;
  /** Its accept is trapped: it can be given connections (--keep-alive). */
  takesConnections: boolean;
  /** What became of connections that clients kept open; null: they were let be, or are still there. */
  kept: KeepAliveCounts | null;
}

export const NO_FACTS: GenerationFacts = {
  stopSent: false,
  stopTold: false,
  handedOver: false,
  daemonized: false,
  isSettled: false,
  settledTicks: 0,
  cut: 0,
  undecided: 0,
  takesConnections: false,
  kept: null,
};

/** What was read of a generation's output, and not passed on: a reader is slow, or a line has no end yet. */
export interface OutputInHand {
  /** 1 or 2. */
  readonly target: number;
  readonly base64: string;
}

export interface GenerationRecord extends GenerationFacts {
  readonly epoch: number;
  /** ISO 8601. */
  readonly startedAt: string;
  /** Leading process. */
  readonly pid: number;
  /** Of that process, in clock ticks after boot: with the pid it names it uniquely. */
  readonly startTime: number;
  readonly heirOf: number | null;
  /** It has sent READY=1. */
  readonly notified: boolean;
  /** It must send READY=1 (--ready auto). */
  readonly wantsNotification: boolean;
  /** How the leading process ended; null while it runs. */
  readonly exitStatus: ExitStatus | null;
  readonly hints: readonly string[];
  /** At an exec only: what a baton had in hand that was killed is gone. */
  readonly outputInHand?: readonly OutputInHand[];
}

/** @returns what has happened to a generation before; a state of an earlier build has not all of it */
export function factsOf(record: GenerationRecord): GenerationFacts {
  const { stopSent, stopTold, handedOver, daemonized, isSettled, cut } = record;
  const { undecided = 0, takesConnections = false, kept = null, settledTicks = 0 } =
    record as Partial<GenerationRecord>;
  const connections = { cut, undecided, takesConnections, kept };
  return { stopSent, stopTold, handedOver, daemonized, isSettled, settledTicks, ...connections };
}

interface GroupRecord {
  readonly address: GroupAddress;
  /** In the kernel's order. */
  readonly members: readonly MemberRecord[];
}

/** What the first baton found where it was started, and a later one cannot find out any more. */
export interface LaunchContext {
  /** Where it was started, as its user named it. */
  readonly directory: string;
  /** The same without symbolic links. */
  readonly physicalDirectory: string;
  /** It could not be entered a second time, so baton has stayed there. */
  readonly stays: boolean;
  /** Soft limit on open files; null = as it is. */
  readonly fileLimit: number | null;
  /** HUP was ignored: nohup(1). */
  readonly ignoresHangup: boolean;
}

/** A `Notification` as text, which JSON has no number for. */
export interface PendingCall {
  readonly epoch: number;
  readonly id: string;
  readonly tid: number;
  readonly call: number;
  readonly args: readonly string[];
}

export interface ResumeState {
  readonly version: number;
  readonly batonVersion: string;
  readonly name: string;
  /** Counts the batons that have run this service: whoever reads this is the next. */
  readonly incarnation: number;
  /** When the first of them started, ISO 8601. */
  readonly startedAt: string;
  readonly launchContext: LaunchContext;
  /** bind and listen of its servers are trapped. */
  readonly traps: boolean;
  readonly service: ServiceState;
  readonly history: HistoryRecord;
  readonly generations: readonly GenerationRecord[];
  readonly groups: readonly GroupRecord[];
  /** Sockets that are bound to a port of the kernel's choice, and not listening yet: inodes. */
  readonly ephemeral: readonly number[];
  /** Trapped calls that were taken from the kernel and not answered. */
  readonly calls: readonly PendingCall[];
}

/** A state that cannot be understood. */
class ResumeError extends Error {}

/** @throws {ResumeError} that names both versions, or what is malformed */
export function parseResumeState(text: string): ResumeState {
  let state: Partial<ResumeState>;
  try {
    state = JSON.parse(text);
  } catch {
    throw new ResumeError("Cannot go on with the state of the running baton: it is no JSON");
  }
  if (state?.version !== RESUME_VERSION) {
    throw new ResumeError(
      `Cannot go on with the state of the running baton: it has version ${state?.version}, ` +
        `and this baton reads version ${RESUME_VERSION}`,
    );
  }
  const missing = FIELDS.filter(([field, isGood]) => !isGood(state[field])).map(([field]) => field);
  if (missing.length > 0) {
    throw new ResumeError(
      `Cannot go on with the state of the running baton: ${
        missing.join(", ")
      } is not as it should be`,
    );
  }
  return state as ResumeState;
}

const isText = (value: unknown) => typeof value === "string";
const isObject = (value: unknown) => typeof value === "object" && value !== null;
const isListOf = (isGood: (value: unknown) => boolean) => (value: unknown) =>
  Array.isArray(value) && value.every(isGood);
const has = (...fields: string[]) => (value: unknown) =>
  isObject(value) && fields.every((field) => field in (value as Record<string, unknown>));

const FIELDS: readonly (readonly [keyof ResumeState, (value: unknown) => boolean])[] = [
  ["batonVersion", isText],
  ["name", isText],
  ["incarnation", Number.isInteger],
  ["startedAt", isText],
  ["launchContext", has("directory", "physicalDirectory", "stays")],
  ["service", has("generations", "nextEpoch", "orphanedListeners", "shutdown")],
  ["history", has("ok", "failed", "crashes", "recentlyEnded")],
  ["generations", isListOf(has("epoch", "pid", "startTime", "stopSent", "exitStatus"))],
  ["groups", isListOf((group) => has("address", "members")(group))],
  ["ephemeral", isListOf(Number.isInteger)],
  ["calls", isListOf(has("epoch", "id", "args"))],
];
