/** The verdict on a reload: who is told what, and what is remembered of it. */
import type { RunningContext } from "../generation/context.ts";
import { type ServiceState, servingOf } from "../lifecycle/service.ts";
import type { ServiceEffect } from "../lifecycle/vocabulary.ts";
import type { PendingRequests } from "../report/pending_requests.ts";
import type { SupervisorOptions } from "./options.ts";
import type { GenerationHandle } from "../generation/handle.ts";
import type { History } from "../report/history.ts";
import type { ServiceHooks } from "./service_hooks.ts";
import { type ReloadReport, storyOf } from "../report/snapshot.ts";
import { lateViews } from "../rollout/late_listeners.ts";
import type { Trials } from "../rollout/trials.ts";

/** Lines of a failed generation's output in the verdict. */
const VERDICT_LINES = 20;

interface AnswerParts {
  readonly options: Pick<SupervisorOptions, "predecessor" | "logger">;
  readonly context: RunningContext;
  readonly running: ReadonlyMap<number, GenerationHandle>;
  readonly history: History;
  readonly reloads: PendingRequests<ReloadReport>;
  readonly hooks: ServiceHooks;
  readonly trials: Trials;
}

export function answerReload(
  parts: AnswerParts,
  effect: Extract<ServiceEffect, { kind: "reload_result" }>,
  state: ServiceState,
): void {
  const { options, running, history, reloads, hooks } = parts;
  const { result, epoch, reason, requests } = effect;
  const failed = result === "failed" && epoch !== null ? running.get(epoch) : undefined;
  const output = failed?.output?.tail.lines(VERDICT_LINES) ?? [];
  const outputIsDirect = failed?.outputIsDirect ?? false;
  const durationMs = reloads.longestWaitMs(requests);
  const late = result === "ok" && epoch !== null && servingOf(state)?.epoch === epoch
    ? lateViews(parts.context.listeners.awaited(epoch))
    : [];
  if (durationMs !== null) history.reloaded({ epoch, result, reason, durationMs }, late);
  const story = storyOf(history.lastReload);
  const trial = parts.trials.view(state);
  const serving = servingOf(state)?.epoch ?? null;
  const verdict = { result, epoch, reason, output, outputIsDirect, trial, serving };
  reloads.answer(requests, { ...verdict, ...story });
  const old = running.get(serving ?? NaN);
  if (failed !== undefined && !state.finished) hooks.onRolledBack(failed, old, reason ?? "");
  if (result === "failed" && state.finished) {
    options.predecessor?.reportFailure([reason, ...output].join("\n"));
  }
  if (result === "ok") history.ok++;
  if (result === "failed") {
    history.failed++;
    options.logger.error(`reload failed: ${reason}`, { epoch });
  }
}
