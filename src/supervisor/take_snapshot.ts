/** Builds the snapshot from one read of the kernel's socket table, and the lifecycle's state. */
import type { RunningContext } from "../generation/context.ts";
import { NO_CONNECTIONS, SocketTable, takeCensus } from "../drain/connections.ts";
import { type ServiceState, servingOf } from "../lifecycle/state.ts";
import { printable } from "../platform/bytes.ts";
import { processStat } from "../platform/process/proc.ts";
import { NO_GENERATION } from "../steering/member.ts";
import type { History } from "../report/history.ts";
import type { GenerationHandle } from "../generation/handle.ts";
import type { GenerationView, ListenerView, Snapshot, TrialView } from "../report/snapshot.ts";

interface SnapshotSources {
  readonly context: RunningContext;
  readonly version: string;
  readonly state: ServiceState;
  readonly running: ReadonlyMap<number, GenerationHandle>;
  readonly history: History;
  readonly trial: TrialView | null;
}

export function takeSnapshot(sources: SnapshotSources): Snapshot {
  const { context, state, history } = sources;
  const table = new SocketTable(context.platform, context.listeners);
  return {
    name: context.config.name,
    version: sources.version,
    pid: context.platform.runtime.pid,
    epoch: servingOf(state)?.epoch ?? null,
    // JSON parsers disagree about invalid UTF-8.
    command: context.config.command.map(printable),
    incarnation: history.incarnation,
    startedAt: history.startedAt.toISOString(),
    listeners: listenerViews(context, table),
    generations: [
      ...history.recentlyEnded,
      ...history.orphaned,
      ...generationViews(sources, table),
    ].sort((a, b) => a.epoch - b.epoch),
    restarts: { ok: history.ok, failed: history.failed, crashes: history.crashes },
    lastReload: history.lastReload,
    trial: sources.trial,
    self: { watches: context.platform.reactor.size },
  };
}

function listenerViews(context: RunningContext, table: SocketTable): ListenerView[] {
  return context.listeners.groups.map((group) => ({
    address: group.text,
    mode: context.config.listen.some((spec) => spec.text === group.text) ? "inherit" : "adopt",
    origin: group.members.find(({ origin }) => origin !== null)?.origin ?? null,
    members: group.members.filter(({ dead, epoch }) => !dead && epoch !== NO_GENERATION).map((
      member,
    ) => ({
      epoch: member.epoch,
      backlog: table.backlogOf(member.inode),
      receiving: group.isReceiving(member),
    })),
  }));
}

function generationViews(sources: SnapshotSources, table: SocketTable): GenerationView[] {
  const { quietMs } = sources.context.config;
  return sources.state.generations.map((generation) => {
    const running = sources.running.get(generation.epoch);
    const pids = running?.processes() ?? [];
    const connections = pids.length === 0
      ? NO_CONNECTIONS
      : takeCensus(table.connectionsOf(pids), quietMs, running?.tracks).counts;
    const pid = running?.pid ?? null;
    return {
      epoch: generation.epoch,
      state: generation.state,
      outcome: generation.outcome,
      reason: generation.reason,
      pid: pid !== null && processStat(pid) === null ? null : pid,
      startedAt: (running?.startedAt ?? sources.history.startedAt).toISOString(),
      connections,
      connectionsCut: running?.losses.cut ?? 0,
      connectionsUndecided: running?.losses.undecided ?? 0,
      checks: running?.checks ?? [],
      takesConnections: running?.takesConnections ?? false,
    };
  });
}
