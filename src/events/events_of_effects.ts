/** One effect of a step -> the events that others learn of. Pure. */
import type { ServiceEffect } from "../lifecycle/vocabulary.ts";
import type { Step } from "../report/step.ts";
import { type Draft, draft, ofGeneration } from "./event.ts";

export function ofEffect(step: Step): (effect: ServiceEffect) => Draft[] {
  return (effect) => {
    switch (effect.kind) {
      case "reload_result":
        return reloadResult(effect, step);
      case "scale_result": {
        const { result, workers, reason } = effect;
        const name = ({ ok: "succeeded", failed: "failed", refused: "refused" } as const)[result];
        const why = reason === null ? "" : `: ${reason}`;
        return [draft(`scale.${name}`, `workers: ${workers}${why}`, { workers, reason })];
      }
      case "upgrade_result": {
        const { result, reason } = effect;
        // A success is an event of the new baton.
        if (result === "ok") return [];
        return [draft(`upgrade.${result}`, `baton's upgrade ${result}: ${reason}`, { reason })];
      }
      case "begin_upgrade":
        return [draft("upgrade.started", "baton is being replaced", { inPlace: effect.inPlace })];
      case "share":
        return share(effect, step);
      case "kill":
        return effect.overdue ? ofGeneration("generation.killed", effect, "is killed") : [];
      case "hold": {
        const epoch = effect.candidate;
        return [draft("clients.held", `clients wait for generation ${epoch}`, { epoch })];
      }
      case "give_up_late":
        return ofGeneration("listeners.given_up", effect, "does not open them any more");
      case "arm_backoff": {
        const { delayMs } = effect;
        const { crashes } = step.after;
        return [draft("service.restarting", `starts again in ${delayMs} ms`, { crashes, delayMs })];
      }
      case "finish": {
        const { status } = effect;
        return [
          draft("service.stopped", `the service has ended with status ${status}`, { status }),
        ];
      }
      default:
        return [];
    }
  };
}

function reloadResult(
  { result, epoch, reason, requests, restored }: Extract<ServiceEffect, { kind: "reload_result" }>,
  { history: { lastReload } }: Step,
): Draft[] {
  // A start that no one has asked for: the generation's own events say it all.
  if (requests.length === 0) return [];
  if (result === "refused") {
    return [draft("reload.refused", `reload refused: ${reason}`, { reason })];
  }
  const { durationMs, phases, replaced, failedIn, held } = lastReload ?? {};
  if (result === "failed") {
    const fields = { epoch, reason, durationMs, failedIn, phases, restored };
    return [draft("reload.failed", `reload failed: ${reason}`, fields)];
  }
  const wait = { heldMs: held?.durationMs, heldClients: held?.clients };
  const facts = { epoch, replaced, durationMs, phases, ...wait };
  return [draft("reload.succeeded", `generation ${epoch} serves after ${durationMs} ms`, facts)];
}

/** A change of the share of a generation that was on trial already. */
function share(
  effect: Extract<ServiceEffect, { kind: "share" }>,
  { before, after }: Step,
): Draft[] {
  if (before.trial === null || after.trial === null) return [];
  const { percent } = effect;
  const { phase } = after.trial;
  return ofGeneration("trial.share", effect, `gets ${percent} %`, { phase, percent });
}
