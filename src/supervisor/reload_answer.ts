/** The answer to a reload: what its caller learns, and what history and hooks do. */
import { type ServiceState, servingOf } from "../lifecycle/state.ts";
import type { ServiceEffect } from "../lifecycle/vocabulary.ts";
import { storyOf } from "../report/snapshot.ts";
import { lateViews } from "../rollout/late_listeners.ts";
import type { SupervisorParts } from "./parts.ts";

/** Lines of a failed generation's output in the answer. */
const OUTPUT_LINES = 20;

export function answerReload(
  parts: SupervisorParts,
  { result, epoch, reason, requests }: Extract<ServiceEffect, { kind: "reload_result" }>,
  state: ServiceState,
): void {
  const { options, running, history, reloads, hooks } = parts;
  const failed = result === "failed" && epoch !== null ? running.get(epoch) : undefined;
  const output = failed?.output?.tail.lines(OUTPUT_LINES) ?? [];
  const serving = servingOf(state)?.epoch ?? null;
  const late = result === "ok" && epoch !== null && serving === epoch
    ? lateViews(parts.context.listeners.awaited(epoch))
    : [];
  const durationMs = reloads.longestWaitMs(requests);
  if (durationMs !== null) history.reloaded({ epoch, result, reason, durationMs }, late);
  reloads.answer(requests, {
    ...storyOf(history.lastReload),
    result,
    epoch,
    reason,
    output,
    outputIsDirect: failed?.outputIsDirect ?? false,
    trial: parts.trials.view(state),
    serving,
  });
  if (result === "ok") history.ok++;
  if (result !== "failed") return;
  history.failed++;
  options.logger.error(`reload failed: ${reason}`, { epoch });
  if (state.finished) {
    options.predecessor?.reportFailure([reason, ...output].join("\n"));
  } else if (failed !== undefined) {
    hooks.onRolledBack(failed, parts.servingIn(state), reason ?? "");
  }
}
