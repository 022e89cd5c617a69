/** Builds the summary: what the lifecycle knows, and one look at the connections that all readers share. */
import { NO_PROGRESS } from "../../report/state_progress.ts";
import { SocketTable } from "../../drain/connections.ts";
import { RunningGeneration } from "../../generation/generation.ts";
import type { GenerationHandle } from "../../generation/handle.ts";
import { type ServiceState, servingOf } from "../../lifecycle/state.ts";
import type { Generation } from "../../lifecycle/generation.ts";
import { type GenerationSummary, sharesOf, type Summary } from "../../report/summary.ts";
import type { SupervisorParts } from "../parts.ts";
import { workersAsked } from "../policy.ts";
import { type ConnectionLook, NOTHING_SEEN, type Seen } from "./connection_look.ts";
import { countOf } from "./count.ts";
import { progressOf } from "./state_progress.ts";

export function takeSummary(
  parts: SupervisorParts,
  state: ServiceState,
  { seen, ageMs }: ReturnType<ConnectionLook["read"]>,
): Summary {
  const { context: { config, platform, front }, history, options } = parts;
  const epoch = servingOf(state)?.epoch ?? null;
  const trial = parts.trials.view(state);
  const shares = sharesOf(epoch, trial);
  const ended = [...history.recentlyEnded, ...history.orphaned].map((each) => ({
    ...GONE,
    epoch: each.epoch,
    outcome: each.outcome,
    reason: each.reason,
    startedAt: each.startedAt,
    queue: seen.get(each.epoch)?.queue ?? 0,
  }));
  const alive = state.generations.map((generation) => ({
    ...summaryOf(parts, generation, seen.get(generation.epoch) ?? NOTHING_SEEN),
    percent: shares.get(generation.epoch) ?? 0,
  }));
  return {
    name: config.name,
    version: options.version,
    pid: platform.runtime.pid,
    incarnation: history.incarnation,
    epoch,
    order: options.order.order,
    startedAt: history.startedAt.toISOString(),
    at: new Date(platform.clock.wallMs()).toISOString(),
    restarts: { ...history.restarts },
    fronts: front?.views ?? [],
    workers: workersAsked(config, options.order.order, state),
    generations: [...ended, ...alive].sort((a, b) => a.epoch - b.epoch),
    isQueued: state.next !== null,
    trial,
    lastReload: history.lastReload,
    lastWords: history.lastWords,
    lookAgeMs: ageMs,
  };
}

/** What is left of a generation that has exited. */
const GONE = {
  state: "exited",
  pid: null,
  percent: 0,
  workers: { serving: 0, total: 0 },
  connections: NOTHING_SEEN.connections,
  ...NO_PROGRESS,
} as const;

function summaryOf(
  parts: SupervisorParts,
  generation: Generation,
  { connections, queue }: Seen,
): Omit<GenerationSummary, "percent"> {
  const { epoch, state, outcome, reason } = generation;
  const running = parts.running.get(epoch);
  return {
    epoch,
    state,
    outcome,
    reason,
    pid: running?.pid ?? null,
    startedAt: (running?.startedAt ?? parts.history.startedAt).toISOString(),
    workers: workersOf(running),
    connections,
    queue,
    ...progressOf(parts, generation, connections.total),
  };
}

function workersOf(running: GenerationHandle | undefined): GenerationSummary["workers"] {
  if (!(running instanceof RunningGeneration)) return { serving: 0, total: 0 };
  const { all } = running.workers;
  return { serving: all.filter(({ state }) => state === "serving").length, total: all.length };
}

/** @returns what is seen of each generation, by epoch */
export function lookAtConnections(parts: SupervisorParts): Map<number, Seen> {
  const { context: { platform, listeners }, running } = parts;
  const table = new SocketTable(platform, listeners);
  const epochs = new Set([
    ...running.keys(),
    ...listeners.groups.flatMap(({ members }) => members.map(({ epoch }) => epoch)),
  ]);
  return new Map([...epochs].map((epoch) => {
    const queue = listeners.groupsOf(epoch)
      .flatMap((group) => group.membersOf(epoch))
      .reduce((sum, { inode }) => sum + table.backlogOf(inode), 0);
    return [epoch, { connections: countOf(parts, table, epoch), queue }];
  }));
}
