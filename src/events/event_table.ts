/**
 * The names of the events, which are an interface: names and fields are added, never renamed. docs/events.md has this
 * table. Pure.
 */

/** `debug`: a step on the way; the others are outcomes, which logs and receivers get. */
type EventLevel = "debug" | "info" | "warn" | "error";

interface EventSpec {
  readonly level: EventLevel;
  /** Completes "It happens when ...", for the documentation. */
  readonly when: string;
  readonly fields: readonly EventField[];
}

/** What the fields mean, beside those that each event has. */
export const EVENT_FIELDS = {
  again: "`true`: it served before, and drained meanwhile",
  call: "what it was asked by, as `--drain-call` has it",
  command: "the command of the server, a list",
  crashes: "crashes in a row",
  cut: "connections that were ended while an answer was outstanding",
  delayMs: "time until the next start, in milliseconds",
  durationMs: "from the request to its outcome, in milliseconds",
  epoch: "number of the generation, from 0 on",
  failedIn: "the phase in which the new generation failed",
  heldClients: "connections that waited while no generation served",
  heldMs: "how long new connections waited, in milliseconds",
  inPlace: "`true`: the process becomes the new program",
  order: "`start-first` or `stop-first`",
  outcome:
    "why it is not wanted any more: `superseded`, `failed`, `rolled back`, `crashed`, `stopped`, `finished`",
  percent: "share of the new connections",
  phase: "of the trial: `canary`, `ramp`, `rolling`, `bake`",
  phases: "list of `{phase, epoch, durationMs}`, as in `baton status --json`",
  pid: "process id of baton",
  queued: "`true`: it waits for the reload before it",
  reason: "why, in one line",
  replaced: "number of the generation that served before",
  replaces: "number of the crashed or stopped generation whose listeners it gets",
  requests: "how often a stop was asked for: 1 drains, 2 sends the stop signal, 3 kills",
  restored: "number of the generation that runs the version before again",
  status: "exit status, or 128 and the number of the signal",
  successor: "name under which another baton has the service",
  undecided: "connections that were ended while it was not known whether an answer was outstanding",
  version: "of baton",
  worker: "number of the worker in its generation",
  workers: "number of workers of the generation",
} as const;

export type EventField = keyof typeof EVENT_FIELDS;

// deno-fmt-ignore: one event per entry, so that it reads as a table
export const EVENTS = {
  "service.started": { level: "info", when: "baton starts the service",
    fields: ["command", "version", "pid"] },
  "service.recovered": { level: "warn", when: "a baton continues with the servers of one that was killed (`--survive`)",
    fields: ["version", "pid"] },
  "service.restarting": { level: "warn", when: "the server is started again after a crash, when a delay is over",
    fields: ["crashes", "delayMs"] },
  "service.stopping": { level: "info", when: "a stop was asked for; again when it is asked for once more",
    fields: ["requests"] },
  "service.stopped": { level: "info", when: "everything has ended, just before baton exits",
    fields: ["status"] },

  "generation.waiting": { level: "debug", when: "a generation waits until the one before it has exited (stop-first)",
    fields: ["epoch", "workers"] },
  "generation.starting": { level: "debug", when: "the server of a generation is started",
    fields: ["epoch", "workers", "replaces"] },
  "generation.listening": { level: "debug", when: "it has its first listener, and its checks begin",
    fields: ["epoch"] },
  "generation.ready": { level: "debug", when: "it has passed its gate",
    fields: ["epoch"] },
  "generation.serving": { level: "debug", when: "it gets the new connections",
    fields: ["epoch", "again"] },
  "generation.draining": { level: "debug", when: "it gets no new connections, and finishes those that it has",
    fields: ["epoch"] },
  "generation.drain_called": { level: "debug", when: "it was asked to say goodbye to its clients, or to say so no more (`--drain-call`)",
    fields: ["epoch", "worker", "call"] },
  "generation.drain_call_failed": { level: "warn", when: "it could not be asked that, and drains without that",
    fields: ["epoch", "worker", "call", "reason"] },
  "generation.drained": { level: "debug", when: "no answer of it is outstanding any more",
    fields: ["epoch"] },
  "generation.drain_timed_out": { level: "warn", when: "its time to drain is over, and answers are outstanding",
    fields: ["epoch"] },
  "generation.stopping": { level: "debug", when: "it has got its stop signal",
    fields: ["epoch"] },
  "generation.killed": { level: "warn", when: "its processes are killed, because its time to stop is over",
    fields: ["epoch"] },
  "generation.exited": { level: "debug", when: "its processes are gone",
    fields: ["epoch", "outcome", "reason", "status", "cut", "undecided"] },
  "generation.failed": { level: "error", when: "it has not passed its gate",
    fields: ["epoch", "reason"] },
  "generation.rolled_back": { level: "error", when: "it was on trial, and is not wanted any more",
    fields: ["epoch", "reason"] },
  "generation.unhealthy": { level: "error", when: "its checks fail, or it accepts nothing, after it has passed its gate",
    fields: ["epoch", "worker", "reason"] },
  "generation.crashed": { level: "error", when: "it has exited while it served, and was not asked to",
    fields: ["epoch", "reason", "status"] },
  "worker.exited": { level: "warn", when: "one of several workers has exited, and was not asked to",
    fields: ["epoch", "worker", "reason", "status"] },

  "reload.requested": { level: "debug", when: "a reload is asked for",
    fields: ["order", "queued"] },
  "reload.succeeded": { level: "info", when: "the new generation serves, or is on trial until an operator decides",
    fields: ["epoch", "replaced", "durationMs", "phases", "heldMs", "heldClients"] },
  "reload.failed": { level: "error", when: "the new generation has failed, and the one before it serves on",
    fields: ["epoch", "reason", "durationMs", "failedIn", "phases", "restored"] },
  "reload.refused": { level: "warn", when: "nothing was started",
    fields: ["reason"] },

  "trial.started": { level: "info", when: "a generation is on trial: it gets a share of the new connections",
    fields: ["epoch", "phase", "percent"] },
  "trial.share": { level: "debug", when: "its share changes",
    fields: ["epoch", "phase", "percent"] },
  "trial.promoted": { level: "info", when: "the trial has ended well, and the generation serves",
    fields: ["epoch"] },

  "scale.requested": { level: "debug", when: "another number of workers is asked for",
    fields: ["workers"] },
  "scale.succeeded": { level: "info", when: "so many workers serve",
    fields: ["workers"] },
  "scale.failed": { level: "error", when: "the number of workers is as before",
    fields: ["workers", "reason"] },
  "scale.refused": { level: "warn", when: "the number of workers was not changed",
    fields: ["workers", "reason"] },

  "upgrade.started": { level: "debug", when: "baton itself is being replaced",
    fields: ["inPlace"] },
  "upgrade.succeeded": { level: "info", when: "a new baton has the service; after a takeover, too",
    fields: ["version", "pid", "inPlace"] },
  "upgrade.handed_over": { level: "info", when: "after a takeover under another name, the last baton of this one drains",
    fields: ["successor"] },
  "upgrade.failed": { level: "error", when: "the baton before still has the service",
    fields: ["reason"] },
  "upgrade.refused": { level: "warn", when: "it was not begun",
    fields: ["reason"] },
  "upgrade.taken_back": { level: "error", when: "the new baton has exited, and the old one has the service again",
    fields: ["epoch"] },

  "listeners.late": { level: "warn", when: "the generation serves, and does not listen yet at some address of the one before",
    fields: ["epoch"] },
  "listeners.complete": { level: "info", when: "it listens at all of them",
    fields: ["epoch"] },
  "listeners.given_up": { level: "warn", when: "what it has not opened is not waited for any more",
    fields: ["epoch"] },
  "clients.held": { level: "debug", when: "new connections wait for the next generation (stop-first)",
    fields: ["epoch"] },
} as const satisfies Record<string, EventSpec>;

export type EventName = keyof typeof EVENTS;

/**
 * @param patterns names, or beginnings with `*`: "reload.*"; empty: every outcome, which is what is not `debug`
 */
export function isWanted(
  { event, level }: { readonly event: string; readonly level: string },
  patterns: readonly string[],
): boolean {
  if (patterns.length === 0) return level !== "debug";
  return patterns.some((pattern) =>
    pattern.endsWith("*") ? event.startsWith(pattern.slice(0, -1)) : event === pattern
  );
}
