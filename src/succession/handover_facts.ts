/** What another baton learns of this one before it takes over, besides the listeners. */
import { outlivesBaton } from "../config/config.ts";
import { RunningGeneration } from "../generation/generation.ts";
import { type ServiceState, servingOf } from "../lifecycle/state.ts";
import type { ServiceParts } from "./pack_service.ts";
import type { HandoverFacts } from "./upgrade/protocol.ts";

export function handoverFacts(parts: ServiceParts, state: ServiceState): HandoverFacts {
  const { context, history } = parts;
  const serving = servingOf(state);
  const running = serving ? parts.running.get(serving.epoch) : undefined;
  const workers = running instanceof RunningGeneration ? running.workers.alive : [];
  const outlives = outlivesBaton(context.config) ? workers : [];
  return {
    name: context.config.name,
    batonVersion: parts.options.version,
    epoch: serving?.epoch ?? 0,
    nextEpoch: state.nextEpoch,
    workers: state.workers,
    servingPid: running?.pid ?? null,
    survivors: outlives.map(({ server: { pid, startTime }, number }) => ({
      pid,
      startTime,
      number,
    })),
    startedAt: (running?.startedAt ?? new Date(context.platform.clock.wallMs())).toISOString(),
    notified: running?.notified ?? false,
    counters: history.counters,
  };
}
