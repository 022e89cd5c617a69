/**
 * What the three processes of a rehearsal say to each other. `baton rehearse` starts the *stage*, which leaves the
 * namespaces of the machine; that starts the *director*, the first process of the new PID namespace, which makes the
 * view of the files, runs the service there, and sends back what it saw. All three are the same binary.
 */
import * as v from "valibot";
import { isEnvironment } from "../platform/process/environment.ts";

/** Hidden verbs; the one argument is the number of the control socket, the plan is behind it. */
export const STAGE_VERB = "__rehearse_stage";
export const DIRECT_VERB = "__rehearse_direct";

const strings = v.pipe(v.array(v.string()), v.readonly());

const PLAN = v.object({
  /** Options and command of `baton run`, without --name and --runtime-dir. */
  options: strings,
  command: strings,
  env: v.custom<Readonly<Record<string, string>>>(isEnvironment),
  directory: v.string(),
  /** The user and group that the server is to have; null: root, without a user namespace. */
  user: v.nullable(v.object({ uid: v.number(), gid: v.number() })),
  /** The machine's own addresses of IPv4, for servers that bind one of them. */
  addresses: strings,
  /** Paths of the machine's Unix sockets. */
  unixPaths: strings,
  /** Longest wait for a start, a reload and a stop. */
  startMs: v.number(),
  stopMs: v.number(),
  fileLimit: v.nullable(v.number()),
});

export type RehearsalPlan = Readonly<v.InferOutput<typeof PLAN>>;

export function parsePlan(text: string): RehearsalPlan {
  return v.parse(PLAN, JSON.parse(text));
}

const FILE_FATE = v.object({ path: v.string(), fate: v.picklist(["kept", "gone", "stale"]) });

const ATTEMPT = v.object({
  /** What differs from the command that the user gave. */
  options: strings,
  command: strings,
  start: v.object({
    ok: v.boolean(),
    durationMs: v.number(),
    /** Exit status of `baton run`, if it ended. */
    status: v.nullable(v.number()),
    listeners: strings,
    /** Opened when baton had taken it for ready. */
    late: strings,
    order: v.nullable(v.string()),
    orderReason: v.nullable(v.string()),
    /** Name of the leader and of the process that listens, if that is another program: a shell in front. */
    shell: v.nullable(v.object({ pid: v.number(), name: v.string(), server: v.string() })),
  }),
  reload: v.nullable(v.object({
    ok: v.boolean(),
    durationMs: v.number(),
    reason: v.nullable(v.string()),
    exchanges: v.number(),
    lost: v.pipe(v.array(v.object({ how: v.string(), count: v.number() })), v.readonly()),
    slowestMs: v.number(),
    phases: strings,
    /** Files that both copies had open for writing at the switch. */
    sharedFiles: strings,
    /** Why the first copy may not be as it was, although the second one has failed. */
    doubt: v.nullable(v.string()),
    /** With stop-first: how long a client waited at most, in milliseconds. */
    waitedMs: v.nullable(v.number()),
  })),
  /** An address where the service answers a second request on a connection; null: there is none. */
  keeps: v.nullable(v.string()),
  /** What the first copy held when the second one failed. */
  holds: strings,
  /** Path whose removal let the second copy start. */
  blocker: v.nullable(v.object({
    path: v.string(),
    kind: v.picklist(["pid file", "lock", "Unix socket"]),
    isData: v.boolean(),
  })),
  pidFiles: v.pipe(v.array(FILE_FATE), v.readonly()),
  /** Files that both copies rewrote, the first one when it ended. */
  rewritten: strings,
  stop: v.nullable(v.object({
    durationMs: v.number(),
    status: v.nullable(v.number()),
    killed: strings,
  })),
  /** Last lines of baton and the server. */
  output: strings,
});

/** A short life for clients that keep their connections, each with a request outstanding all the time. */
const KEPT = v.object({
  options: strings,
  requests: v.number(),
  /** Requests without a whole answer. */
  lost: v.number(),
});

const MESSAGE = v.variant("kind", [
  v.object({ kind: v.literal("step"), text: v.string() }),
  v.object({ kind: v.literal("refused"), what: v.string(), code: v.string() }),
  v.object({ kind: v.literal("view"), readOnly: strings }),
  v.object({ kind: v.literal("attempt"), attempt: ATTEMPT }),
  v.object({ kind: v.literal("kept"), kept: KEPT }),
  v.object({ kind: v.literal("end"), spaceRanOut: v.boolean() }),
]);

/** One life of the service: start, reload, stop. */
export type Attempt = Readonly<v.InferOutput<typeof ATTEMPT>>;
export type Kept = Readonly<v.InferOutput<typeof KEPT>>;
export type RehearsalMessage = Readonly<v.InferOutput<typeof MESSAGE>>;

export function parseMessage(data: Uint8Array): RehearsalMessage {
  return v.parse(MESSAGE, JSON.parse(new TextDecoder().decode(data)));
}
