/**
 * Everything that a baton must know to continue where another one stopped, with the same server processes: the state
 * that travels over an exec (`upgrade --in-place`) and over a crash (`--survive`).
 *
 * Descriptors travel beside it, each under its name (`resumption.ts`); if one is missing, it is gone. A state of
 * another version is refused with both numbers.
 */
import * as v from "valibot";
import { MAX_WORKERS } from "../../lifecycle/limits.ts";
import type { ExitStatus } from "../../platform/process/wait_status.ts";
import * as f from "./fields.ts";
import { HISTORY, KEEP_ALIVE_COUNTS, SERVICE } from "./service_schemas.ts";

/** Changes whenever `ResumeState` or the names of descriptors do. */
export const RESUME_VERSION = 1;
const MAX_SIGNAL = 64;

/** What happened to one generation that its processes do not show. */
const facts = f.once(() =>
  v.object({
    stopSent: f.flag,
    /** Connections that were busy when it had to end. */
    cut: f.count,
    /** Connections of which it was unknown then whether an answer was owed. */
    undecided: f.count,
    /** Its accept is trapped: it can be given connections (--keep-alive). */
    takesConnections: f.flag,
    /** What became of connections that clients kept open; null: they were not moved, or are still open. */
    kept: v.nullable(KEEP_ALIVE_COUNTS),
  }, f.objectMessage)
);

/** What is known of one of its workers. */
const workerFacts = f.once(() =>
  v.object({
    stopSent: f.flag,
    /** The processes that its leader left behind got theirs, too. */
    stopTold: f.flag,
    /** Whether it writes to baton's own descriptors. */
    handedOver: f.flag,
    /** Its leading process went to the background. */
    daemonized: f.flag,
    /** Whether it has served for a while. */
    isSettled: f.flag,
    /** When it had passed its gate, in the unit of process start times; 0: it has not. */
    readyTicks: f.count,
    /** When it had served for a while; 0: it has not. */
    settledTicks: f.count,
  }, f.objectMessage)
);

export type GenerationFacts = v.InferOutput<ReturnType<typeof facts>>;
export type WorkerFacts = v.InferOutput<ReturnType<typeof workerFacts>>;

export const NO_FACTS: GenerationFacts = {
  stopSent: false,
  cut: 0,
  undecided: 0,
  takesConnections: false,
  kept: null,
};

export const NO_WORKER_FACTS: WorkerFacts = {
  stopSent: false,
  stopTold: false,
  handedOver: false,
  daemonized: false,
  isSettled: false,
  readyTicks: 0,
  settledTicks: 0,
};

export function factsOf(record: GenerationRecord): GenerationFacts {
  return f.check(facts(), record);
}

export function workerFactsOf(record: WorkerRecord): WorkerFacts {
  return f.check(workerFacts(), record);
}

const EXIT_STATUS: v.GenericSchema<unknown, ExitStatus> = f.lazyVariant("kind", () => [
  f.object({ kind: v.literal("exited"), code: f.int(0, 255) }),
  f.object({ kind: v.literal("signalled"), signal: f.int(1, MAX_SIGNAL) }),
  f.object({ kind: v.literal("unknown") }),
], "an exit status");

/** Output that was read and not passed on: its reader is slow, or a line is incomplete. */
const UNSENT_OUTPUT = f.lazyObject(() => ({ target: f.int(1, 2), base64: f.base64 }));

const WORKER_RECORD = f.lazyObject(() => ({
  ...workerFacts().entries,
  number: f.int(0, MAX_WORKERS - 1),
  startedAt: f.date,
  /** How often it was started again, beside its generation. */
  restarts: f.count,
  /** Process id of its leading process. */
  pid: f.pid,
  /** In clock ticks after boot: together with the pid it is unique. */
  startTime: f.count,
  /** Whether it has sent READY=1. */
  notified: f.flag,
  /** How the leading process ended; null while it runs. */
  exitStatus: v.nullable(EXIT_STATUS),
  /** At an exec only: a baton that was killed has lost its own. */
  unsentOutput: v.exactOptional(f.list(UNSENT_OUTPUT, 2)),
}));
export type WorkerRecord = v.InferOutput<typeof WORKER_RECORD>;

const GENERATION_RECORD = f.lazyObject(() => ({
  ...facts().entries,
  epoch: f.epoch,
  startedAt: f.date,
  /** Crashed generation whose members it was given. */
  replaces: v.nullable(f.epoch),
  /** Whether it must send READY=1 (--ready auto). */
  wantsNotification: f.flag,
  hints: f.list(f.note),
  /** How many it is to have: those that are not listed wait to be started again. */
  size: f.int(1, MAX_WORKERS),
  workers: f.list(WORKER_RECORD, MAX_WORKERS),
}));
export type GenerationRecord = v.InferOutput<typeof GENERATION_RECORD>;

/** The members are in the kernel's order. */
const GROUP_RECORD = f.lazyObject(() => ({ address: f.ADDRESS, members: f.list(f.MEMBER) }));

/** What a generation was started with; its parts are descriptors. */
const KEPT_PLAN = f.lazyObject(() => ({ epoch: f.epoch, isGood: f.flag }));

/** What the first baton found where it was started, and a later one cannot find out any more. */
const LAUNCH_CONTEXT = f.lazyObject(() => ({
  /** Where it was started, as its user named it. */
  directory: f.path,
  /** The directory without symbolic links. */
  physicalDirectory: f.path,
  /** Whether it could not be entered a second time, so that baton has stayed there. */
  stays: f.flag,
  /** Soft limit on open files; null: unchanged. */
  fileLimit: v.nullable(f.number(0, 2 ** 64)),
  /** HUP was ignored: nohup(1). */
  ignoresHangup: f.flag,
}));
export type LaunchContext = v.InferOutput<typeof LAUNCH_CONTEXT>;

/** A process that outlives the generation that has started it. */
const HELPER_RECORD = f.lazyObject(() => ({
  pid: f.pid,
  startTime: f.count,
  epoch: f.epoch,
  addresses: f.list(f.note),
}));

/** A trapped call. Its 64-bit numbers travel as text. */
const PENDING_CALL = f.lazyObject(() => ({
  epoch: f.epoch,
  worker: f.int(0, MAX_WORKERS - 1),
  id: f.uint64,
  tid: f.pid,
  call: f.count,
  args: f.list(f.uint64, 6),
}));
export type PendingCall = v.InferOutput<typeof PENDING_CALL>;

const RESUME_STATE = f.lazyObject(() => ({
  version: v.literal(RESUME_VERSION),
  batonVersion: f.name,
  name: f.name,
  /** Counts the batons that have run this service: the reader is the next. */
  incarnation: f.count,
  /** When the first of them started. */
  startedAt: f.date,
  launchContext: LAUNCH_CONTEXT,
  /** How its servers' sockets come to baton (--duplicates); null: their bind and listen are not trapped. */
  duplicates: v.nullable(f.oneOf(["getfd", "socket-trap", "at-bind"])),
  service: SERVICE,
  history: HISTORY,
  generations: f.list(GENERATION_RECORD),
  groups: f.list(GROUP_RECORD),
  /** Launch plans of generations that run, and of the last good one. */
  plans: f.list(KEPT_PLAN),
  /** Inodes of sockets that are bound to a port of the kernel's choice and do not listen yet. */
  ephemeral: f.list(f.inode),
  helpers: f.list(HELPER_RECORD),
  /** Trapped calls that were taken from the kernel and not answered. */
  calls: f.list(PENDING_CALL),
}));
export type ResumeState = v.InferOutput<typeof RESUME_STATE>;

/** @throws {MalformedMessage} that names both versions, or the malformed field */
export function parseResumeState(text: string): ResumeState {
  return checkResumeState(() => f.parseJson(v.unknown(), text));
}

/** Checks the state. @param read returns what was JSON */
export function checkResumeState(read: () => unknown): ResumeState {
  const cannot = "Cannot continue from the running baton's state";
  return f.checkVersion(RESUME_STATE, RESUME_VERSION, cannot, read);
}
