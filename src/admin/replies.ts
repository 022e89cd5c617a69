/**
 * The replies of the control socket, as far as commands read them. Another version of baton may send more, which stays
 * in the output of --json.
 */
import * as v from "valibot";

const list = <T extends v.GenericSchema>(item: T) => v.pipe(v.array(item), v.readonly());
const number = v.number();
const string = v.string();
const maybeNumber = v.nullable(number);
const maybeString = v.nullable(string);

/** What a share is of; missing: new connections. */
const SHARE_OF = { shareOf: v.exactOptional(v.picklist(["connections", "requests"])) };

const TRIAL_VIEW = v.looseObject({
  epoch: number,
  phase: string,
  percent: number,
  ...SHARE_OF,
  seen: v.nullable(v.looseObject({ percent: number, connections: number })),
});

const STORY = {
  replaced: maybeNumber,
  phases: list(v.looseObject({ phase: string, epoch: number, durationMs: maybeNumber })),
  connections: v.nullable(
    v.looseObject({ finished: number, cut: number, undecided: number, moved: number }),
  ),
  late: list(v.looseObject({
    address: string,
    servedBy: maybeNumber,
    state: v.picklist(["waiting", "opened", "given up"]),
  })),
  held: v.nullable(v.looseObject({
    durationMs: number,
    clients: number,
    longestWaitMs: number,
    overflows: number,
  })),
  restored: maybeNumber,
  sharedFiles: list(v.looseObject({
    path: string,
    holders: list(v.looseObject({ epoch: number, pid: number, name: string })),
  })),
  doubt: maybeString,
};

/** The outcome of a request to change the service. */
const OUTCOME = {
  result: v.picklist(["ok", "failed", "refused"]),
  reason: maybeString,
  durationMs: number,
};

export const RELOAD_REPLY = v.looseObject({
  ...OUTCOME,
  ...STORY,
  epoch: maybeNumber,
  output: list(string),
  outputIsDirect: v.boolean(),
  outputSince: list(string),
  trial: v.nullable(TRIAL_VIEW),
  serving: maybeNumber,
  postponed: list(string),
});

export const TRIAL_REPLY = v.looseObject({ ...OUTCOME, ...SHARE_OF, epoch: maybeNumber });

export const SCALE_REPLY = v.looseObject({ ...OUTCOME, workers: number });

export const UPGRADE_REPLY = v.looseObject({ ...OUTCOME, pid: maybeNumber });

/** What says which service answers; the rest of its status may be any. */
export const SERVICE_REPLY = v.looseObject({ name: string, pid: number, incarnation: number });

const CONNECTIONS = v.looseObject({ busy: number, idle: number, undecided: number });

const LAST_RELOAD = v.nullable(v.looseObject({
  ...OUTCOME,
  ...STORY,
  epoch: maybeNumber,
  failedIn: maybeString,
  connectionsCut: number,
  connectionsUndecided: number,
  connectionsKept: v.nullable(
    v.looseObject({ moved: number, finished: number, left: number }),
  ),
}));
const RESTARTS = v.looseObject({ ok: number, failed: number, crashes: number });
const WORKERS = v.looseObject({ configured: number, wanted: number });

const FRONTS = list(v.looseObject({
  file: string,
  cluster: string,
  state: string,
  envoys: list(v.looseObject({ admin: string, result: string, detail: maybeString })),
  endpoints: list(v.looseObject({ address: string, epoch: number, state: string, weight: number })),
  lastError: v.nullable(v.looseObject({ reason: string, at: string })),
}));

/** How far a generation is in its state. */
const PROGRESS = {
  stateMs: maybeNumber,
  leftMs: maybeNumber,
  drain: v.nullable(v.looseObject({ first: number, left: number })),
};

export const STATUS_REPLY = v.looseObject({
  name: string,
  version: string,
  pid: number,
  epoch: maybeNumber,
  order: string,
  orderReason: string,
  duplicates: v.nullable(string),
  startedAt: string,
  restarts: RESTARTS,
  lastReload: LAST_RELOAD,
  trial: v.nullable(TRIAL_VIEW),
  workers: WORKERS,
  generations: list(v.looseObject({
    epoch: number,
    state: string,
    outcome: maybeString,
    pid: maybeNumber,
    startedAt: string,
    connections: CONNECTIONS,
    ...PROGRESS,
    workers: list(v.looseObject({
      number,
      state: string,
      pid: maybeNumber,
      startedAt: string,
      connections: CONNECTIONS,
      restarts: number,
    })),
    reason: maybeString,
    checks: list(v.looseObject({
      check: string,
      role: string,
      healthy: v.boolean(),
      lastResult: maybeString,
      successes: number,
      failures: number,
    })),
  })),
  listeners: list(v.looseObject({
    address: string,
    mode: string,
    origin: maybeString,
    members: list(v.looseObject({
      epoch: number,
      receiving: v.boolean(),
      backlog: number,
      dialed: v.nullable(v.string()),
    })),
  })),
  drainCalls: v.looseObject({
    ok: number,
    failed: number,
    lastFailure: v.nullable(
      v.looseObject({ call: string, epoch: number, worker: number, reason: string, at: string }),
    ),
  }),
  fronts: FRONTS,
  helpers: list(
    v.looseObject({ pid: number, name: string, epoch: number, addresses: list(string) }),
  ),
});

export const SUMMARY_REPLY = v.looseObject({
  name: string,
  version: string,
  pid: number,
  incarnation: number,
  epoch: maybeNumber,
  order: string,
  startedAt: string,
  at: string,
  restarts: RESTARTS,
  workers: WORKERS,
  generations: list(v.looseObject({
    epoch: number,
    state: string,
    outcome: maybeString,
    reason: maybeString,
    pid: maybeNumber,
    startedAt: string,
    ...PROGRESS,
    percent: number,
    workers: v.looseObject({ serving: number, total: number }),
    connections: CONNECTIONS,
    queue: number,
  })),
  isQueued: v.boolean(),
  trial: v.nullable(TRIAL_VIEW),
  lastReload: LAST_RELOAD,
  lastWords: v.nullable(v.looseObject({ epoch: number, lines: list(string) })),
  lookAgeMs: maybeNumber,
});

export const STOP_REPLY = v.looseObject({
  status: number,
  killed: list(v.looseObject({ pid: number, name: string, afterMs: maybeNumber })),
  left: list(v.looseObject({ pid: number, name: string })),
  cut: number,
});

export const PROBE_REPLY = v.looseObject({ ready: v.boolean(), why: string });

export type ReloadReply = v.InferOutput<typeof RELOAD_REPLY>;
export type ServiceReply = v.InferOutput<typeof SERVICE_REPLY>;
export type TrialReply = v.InferOutput<typeof TRIAL_REPLY>;
export type StatusReply = v.InferOutput<typeof STATUS_REPLY>;
export type SummaryReply = v.InferOutput<typeof SUMMARY_REPLY>;
export type GenerationReply = SummaryReply["generations"][number];
export type StopReply = v.InferOutput<typeof STOP_REPLY>;
export type UpgradeReply = v.InferOutput<typeof UPGRADE_REPLY>;

export const DRAIN_REPLY = v.looseObject({ busy: maybeNumber });

/** @returns the busy connections in the reply to a drain; null: it has no count */
export function busyIn(body: string): number | null {
  try {
    return v.parse(DRAIN_REPLY, JSON.parse(body)).busy;
  } catch {
    return null;
  }
}
