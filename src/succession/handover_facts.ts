/** What another baton is told of this one before it takes over. */
import type { RunningContext } from "../generation/context.ts";
import { outlivesBaton } from "../config/config.ts";
import { type ServiceState, servingOf } from "../lifecycle/service.ts";
import type { GenerationHandle } from "../generation/handle.ts";
import type { History } from "../report/history.ts";
import { RunningGeneration } from "../generation/generation.ts";
import type { HandoverFacts } from "./child_upgrade.ts";

interface HandoverSources {
  readonly options: { readonly version: string };
  readonly context: RunningContext;
  readonly running: ReadonlyMap<number, GenerationHandle>;
  readonly history: History;
}

export function handoverFacts(sources: HandoverSources, state: ServiceState): HandoverFacts {
  const { context, history } = sources;
  const serving = servingOf(state);
  const running = serving ? sources.running.get(serving.epoch) : undefined;
  const { ok, failed, crashes } = history;
  const leader = running instanceof RunningGeneration ? running.server : null;
  const outlives = leader !== null && leader.isStarted && outlivesBaton(context.config);
  return {
    name: context.config.name,
    batonVersion: sources.options.version,
    epoch: serving?.epoch ?? 0,
    nextEpoch: state.nextEpoch,
    servingPid: running?.pid ?? null,
    survivor: outlives ? { pid: leader.pid, startTime: leader.startTime } : null,
    startedAt: (running?.startedAt ?? new Date()).toISOString(),
    notified: running?.notified ?? false,
    counters: { ok, failed, crashes },
  };
}
