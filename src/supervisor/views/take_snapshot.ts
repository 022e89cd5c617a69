/** Builds the snapshot from one read of the kernel's socket table, and the lifecycle's state. */
import { SocketTable } from "../../drain/connections.ts";
import { type ServiceState, servingOf } from "../../lifecycle/state.ts";
import { printable } from "../../platform/bytes.ts";
import { unreadDatagrams } from "../../platform/network/udp_table.ts";
import { processName, processStat } from "../../platform/process/proc.ts";
import { dialedText } from "../../steering/front/endpoints.ts";
import { isDatagram } from "../../steering/group_address.ts";
import { NO_GENERATION } from "../../steering/member.ts";
import { type GenerationView, type ListenerView, type Snapshot } from "../../report/snapshot.ts";
import { NO_PROGRESS } from "../../report/state_progress.ts";
import type { SupervisorParts } from "../parts.ts";
import { workersAsked } from "../policy.ts";
import { countOf, isStaying } from "./count.ts";
import { progressOf } from "./state_progress.ts";
import { drainCallViews, workerViews } from "./worker_views.ts";

export function takeSnapshot(parts: SupervisorParts, state: ServiceState): Snapshot {
  const { context, history } = parts;
  const { platform, listeners, config } = context;
  const table = new SocketTable(platform, listeners);
  return {
    name: config.name,
    version: parts.options.version,
    pid: platform.runtime.pid,
    epoch: servingOf(state)?.epoch ?? null,
    // JSON parsers disagree about invalid UTF-8.
    command: config.command.map(printable),
    order: parts.options.order.order,
    orderReason: parts.options.order.reason,
    duplicates: duplicatesOf(parts, servingOf(state)?.epoch ?? null),
    incarnation: history.incarnation,
    startedAt: history.startedAt.toISOString(),
    listeners: listenerViews(parts, table),
    generations: [
      ...[...history.recentlyEnded, ...history.orphaned].map((each) => ({
        ...each,
        ...NO_PROGRESS,
        workers: [],
        drainCalls: [],
      })),
      ...generationViews(parts, state, table),
    ].sort((a, b) => a.epoch - b.epoch),
    helpers: context.children.helpers.records.map(({ pid, epoch, addresses }) => ({
      pid,
      name: processName(pid) ?? "?",
      epoch,
      addresses,
    })),
    drainCalls: history.drainCalls,
    fronts: context.front?.views ?? [],
    restarts: { ...history.restarts },
    lastReload: history.lastReload,
    trial: parts.trials.view(state),
    workers: workersAsked(config, parts.options.order.order, state),
    self: { watches: platform.reactor.size },
  };
}

function listenerViews({ context }: SupervisorParts, table: SocketTable): ListenerView[] {
  return context.listeners.groups.map((group) => ({
    address: group.text,
    mode: context.config.listen.some((spec) => spec.text === group.text) ? "inherit" : "adopt",
    origin: group.members.find(({ origin }) => origin !== null)?.origin ?? null,
    members: group.members
      .filter(({ dead, epoch }) => !dead && epoch !== NO_GENERATION)
      .map((member) => ({
        epoch: member.epoch,
        worker: member.worker,
        backlog: isDatagram(group) ? unreadDatagrams(member.inode) : table.backlogOf(member.inode),
        receiving: group.gets(member),
        dialed: dialedText(member),
      })),
  }));
}

function generationViews(
  parts: SupervisorParts,
  state: ServiceState,
  table: SocketTable,
): GenerationView[] {
  const { context: { config }, running: all, history } = parts;
  const isOwn = isStaying(parts);
  return state.generations.map((generation) => {
    const { epoch, state, outcome, reason } = generation;
    const running = all.get(epoch);
    const connections = countOf(parts, table, epoch);
    const pid = running?.pid ?? null;
    return {
      epoch,
      state,
      outcome,
      reason,
      pid: pid !== null && processStat(pid) === null ? null : pid,
      startedAt: (running?.startedAt ?? history.startedAt).toISOString(),
      connections,
      connectionsCut: running?.losses.cut ?? 0,
      connectionsUndecided: running?.losses.undecided ?? 0,
      checks: running?.checks ?? [],
      drainCalls: drainCallViews(running),
      takesConnections: running?.takesConnections ?? false,
      ...progressOf(parts, generation, connections.total),
      workers: workerViews(running, connections, table, { quietMs: config.quietMs, isOwn }),
    };
  });
}

/** Where the duplicates of the serving generation come from: it may do without the trap that others need. */
function duplicatesOf(
  { options, context: { adopter } }: SupervisorParts,
  epoch: number | null,
): Snapshot["duplicates"] {
  return epoch !== null && adopter.source.isReplacing(epoch) ? "at-bind" : options.duplicates;
}
