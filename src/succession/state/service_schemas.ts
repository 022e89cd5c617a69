/** Schemas of the lifecycle's state and the history, as the next baton reads them. */
import * as v from "valibot";
import { GENERATION_STATES } from "../../lifecycle/generation.ts";
import type { Rollout } from "../../lifecycle/rollout.ts";
import type { ServiceState } from "../../lifecycle/state.ts";
import type { KeepAliveCounts } from "../../migration/in_flight.ts";
import type { HistoryRecord } from "../../report/history.ts";
import * as f from "./fields.ts";

const state = f.lazily(() => f.oneOf(GENERATION_STATES));
const outcome = f.lazily(() =>
  v.nullable(
    f.oneOf(["failed", "rolled back", "superseded", "crashed", "stopped", "finished"]),
  )
);
const noteOrNull = f.lazily(() => v.nullable(f.note));
const epochOrNull = f.lazily(() => v.nullable(f.epoch));
const requests = f.lazily(() => f.list(f.count));
const percent = f.lazily(() => f.number(0, 100));
const timeMs = f.lazily(() => f.number(-Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER));

const ROLLOUT: v.GenericSchema<unknown, Rollout> = f.lazyObject(() => ({
  canary: v.nullable(percent),
  rampMs: timeMs,
  bakeMs: timeMs,
  hold: f.flag,
  rolling: f.flag,
}));
const order = f.lazily(() => f.oneOf(["start-first", "stop-first"]));
const plan = f.lazily(() => f.oneOf(["files", "last good"]));
const RELOAD = f.lazyObject(() => ({
  requests,
  rollout: ROLLOUT,
  order,
  plan,
  failed: v.nullable(f.object({ epoch: f.epoch, reason: f.note })),
}));

const GENERATION = f.lazyObject(() => ({
  epoch: f.epoch,
  workers: f.count,
  state,
  outcome,
  reason: noteOrNull,
  plan,
  admitted: f.flag,
  unwell: f.flag,
  replaces: epochOrNull,
  served: f.flag,
  cut: f.flag,
  standsIn: f.flag,
}));

export const SERVICE: v.GenericSchema<unknown, ServiceState> = f.lazyObject(() => ({
  generations: f.list(GENERATION),
  nextEpoch: f.epoch,
  reload: RELOAD,
  next: v.nullable(RELOAD),
  trial: v.nullable(f.object({ phase: f.oneOf(["canary", "ramp", "rolling", "bake"]), percent })),
  replacing: f.flag,
  upgrade: v.nullable(requests),
  held: epochOrNull,
  good: epochOrNull,
  plan,
  inherited: epochOrNull,
  shutdown: v.nullable(f.object({
    requests: f.count,
    status: v.nullable(f.int(0, 255)),
    handedOver: epochOrNull,
  })),
  workers: v.nullable(f.count),
  scaling: v.nullable(f.object({ requests, epoch: f.epoch, from: f.count })),
  crashes: f.count,
  orphanedListeners: epochOrNull,
  orphanedWorkers: epochOrNull,
  behind: epochOrNull,
  aftermathOf: v.nullable(f.oneOf(["ok", "failed"])),
  served: f.flag,
  finished: f.flag,
}));

export const KEEP_ALIVE_COUNTS: v.GenericSchema<unknown, KeepAliveCounts> = f.lazyObject(() => ({
  moved: f.count,
  finished: f.count,
  left: f.count,
}));

const CONNECTION_COUNTS = f.lazyObject(() => ({
  total: f.count,
  busy: f.count,
  idle: f.count,
  undecided: f.count,
}));

const CHECK_VIEW = f.lazyObject(() => ({
  check: f.note,
  role: f.oneOf(["ready", "live"]),
  healthy: f.flag,
  lastResult: noteOrNull,
  successes: f.count,
  failures: f.count,
}));

const ENDED_GENERATION = f.lazyObject(() => ({
  epoch: f.epoch,
  state,
  outcome,
  reason: noteOrNull,
  pid: v.nullable(f.pid),
  startedAt: f.date,
  connections: CONNECTION_COUNTS,
  connectionsCut: f.count,
  connectionsUndecided: f.count,
  checks: f.list(CHECK_VIEW),
  takesConnections: f.flag,
}));

const LAST_RELOAD = f.lazyObject(() => ({
  replaced: epochOrNull,
  phases: f.list(f.object({ phase: f.note, epoch: f.epoch, durationMs: v.nullable(timeMs) })),
  failedIn: noteOrNull,
  connections: v.nullable(f.object({
    finished: f.count,
    cut: f.count,
    undecided: f.count,
    moved: f.count,
  })),
  late: f.list(f.object({
    address: f.note,
    servedBy: epochOrNull,
    state: f.oneOf(["waiting", "opened", "given up"]),
  })),
  held: v.nullable(f.object({
    durationMs: timeMs,
    clients: f.count,
    longestWaitMs: timeMs,
    overflows: f.count,
  })),
  restored: epochOrNull,
  sharedFiles: f.list(f.object({
    path: f.note,
    how: f.oneOf(["open", "mapped"]),
    holders: f.list(f.object({ epoch: f.epoch, pid: f.pid, name: f.note })),
  })),
  doubt: noteOrNull,
  epoch: epochOrNull,
  result: f.oneOf(["ok", "failed", "refused"]),
  reason: noteOrNull,
  durationMs: timeMs,
  connectionsCut: f.count,
  connectionsUndecided: f.count,
  connectionsKept: v.nullable(KEEP_ALIVE_COUNTS),
}));

export const HISTORY: v.GenericSchema<unknown, HistoryRecord> = f.lazyObject(() => ({
  ok: f.count,
  failed: f.count,
  crashes: f.count,
  failedByHand: v.exactOptional(f.flag),
  drainCalls: v.exactOptional(f.DRAIN_CALLS),
  lastReload: v.nullable(LAST_RELOAD),
  recentlyEnded: f.list(ENDED_GENERATION),
  replaced: epochOrNull,
}));
