/** One step of the lifecycle -> the events that others learn of. Pure. */
import type { Generation } from "../lifecycle/generation.ts";
import type { ServiceState } from "../lifecycle/state.ts";
import type { Step } from "../report/step.ts";
import { type Draft, draft, ofGeneration } from "./event.ts";
import { ofEffect } from "./events_of_effects.ts";

/** @returns in the order in which they happened */
export function eventsOf(step: Step): Draft[] {
  return [
    ...requested(step),
    ...seen(step),
    ...generations(step),
    ...step.effects.flatMap(ofEffect(step)),
  ];
}

function requested({ event, before, after }: Step): Draft[] {
  switch (event.kind) {
    case "reload_requested": {
      const { order } = after.next ?? after.reload;
      const queued = after.next !== null && before.next === null;
      const what = queued ? "a reload is asked for, and waits" : "a reload is asked for";
      return [draft("reload.requested", what, { order, queued: queued || undefined })];
    }
    case "scale_requested": {
      const { workers, relative } = event;
      const sign = relative && workers > 0 ? "+" : "";
      return [draft("scale.requested", `${sign}${workers} workers are asked for`, { workers })];
    }
    case "stop_requested": {
      const requests = after.shutdown?.requests ?? 1;
      return before.finished ? [] : [draft("service.stopping", "the service stops", { requests })];
    }
    case "handed_over": {
      const { successor } = event;
      return successor === undefined ? [] : [
        draft("upgrade.handed_over", `"${successor}" has the service now`, { successor }),
      ];
    }
    case "handed_back":
      return servingOf(after).map(({ epoch }) =>
        draft("upgrade.taken_back", `the new baton has exited: generation ${epoch} serves again`, {
          epoch,
        })
      );
    default:
      return [];
  }
}

/** What was found out about one generation. */
function seen({ event, before, after, effects, history }: Step): Draft[] {
  if (!("epoch" in event)) return [];
  const { epoch } = event;
  const was = before.generations.find((each) => each.epoch === epoch);
  if (was === undefined) return [];
  switch (event.kind) {
    case "ready": {
      const now = after.generations.find((each) => each.epoch === epoch);
      const isNews = now?.state !== was.state ||
        effects.some(({ kind }) => kind === "request_takeover");
      if (!isNews || (was.state !== "starting" && was.state !== "probing")) return [];
      return ofGeneration("generation.ready", event, "has passed its gate");
    }
    case "unhealthy": {
      const { reason, worker } = event;
      const who = worker === undefined ? "" : `worker ${worker} of `;
      const message = `${who}generation ${epoch} is unhealthy: ${reason}`;
      return [draft("generation.unhealthy", message, { epoch, worker, reason })];
    }
    case "worker_exited": {
      const { worker, reason, status } = event;
      const message = `worker ${worker} of generation ${epoch}: ${reason}`;
      return [draft("worker.exited", message, { epoch, worker, reason, status })];
    }
    case "drain_called": {
      const { worker, call, failure } = event;
      const who = `worker ${worker} of generation ${epoch}`;
      return failure === null
        ? [draft("generation.drain_called", `${who} was asked: ${call}`, { epoch, worker, call })]
        : [
          draft("generation.drain_call_failed", `${who} was not asked: ${call}: ${failure}`, {
            epoch,
            worker,
            call,
            reason: failure,
          }),
        ];
    }
    case "drained":
      if (was.state !== "draining") return [];
      return ofGeneration("generation.drained", event, "has drained");
    case "drain_timed_out":
      if (was.state !== "draining") return [];
      return ofGeneration("generation.drain_timed_out", event, "has not drained in time");
    case "behind":
      return ofGeneration("listeners.late", event, "does not listen everywhere yet");
    case "caught_up":
      return ofGeneration("listeners.complete", event, "listens everywhere");
    case "exited": {
      const { text: reason, status, asRequested } = event.exit;
      const what = `has exited: ${reason}`;
      // Only its own baton knows how the servers of another baton's generation have ended.
      if (before.inherited === epoch) {
        return ofGeneration("generation.exited", event, what, { reason });
      }
      const isCrash = was.state === "serving" && !asRequested && before.shutdown === null;
      const crash = isCrash
        ? ofGeneration("generation.crashed", event, `has crashed: ${reason}`, { reason, status })
        : [];
      const { outcome = null, connectionsCut: cut, connectionsUndecided: undecided } =
        history.recentlyEnded.findLast((each) => each.epoch === epoch) ?? {};
      const facts = { outcome, reason, status, cut, undecided };
      return [...crash, ...ofGeneration("generation.exited", event, what, facts)];
    }
    default:
      return [];
  }
}

/** What the difference of two states says. */
function generations({ before, after, history }: Step): Draft[] {
  const news = after.generations.flatMap((now) => {
    const was = before.generations.find(({ epoch }) => epoch === now.epoch);
    return [...outcome(was, now), ...was?.state === now.state ? [] : entered(was, now, after)];
  });
  const gone = before.generations.filter(({ epoch }) =>
    !after.generations.some((each) => each.epoch === epoch)
  );
  const verdicts = gone.flatMap((was) => {
    const ended = history.recentlyEnded.findLast(({ epoch }) => epoch === was.epoch);
    return ended === undefined ? [] : outcome(was, { ...was, ...ended });
  });
  return [...verdicts, ...news];
}

/** The first cause wins, so it changes once. */
function outcome(
  was: Generation | undefined,
  now: Pick<Generation, "epoch" | "outcome" | "reason">,
): Draft[] {
  const { outcome, reason } = now;
  if (was?.outcome === outcome) return [];
  const why = reason === null ? "" : `: ${reason}`;
  if (outcome === "failed") {
    return ofGeneration("generation.failed", now, `has failed${why}`, { reason });
  }
  if (outcome !== "rolled back") return [];
  return ofGeneration("generation.rolled_back", now, `is rolled back${why}`, { reason });
}

function entered(was: Generation | undefined, now: Generation, { trial }: ServiceState): Draft[] {
  const { workers, replaces } = now;
  switch (now.state) {
    case "waiting":
      return ofGeneration("generation.waiting", now, "waits for the exit of the one before", {
        workers,
      });
    case "starting":
      return ofGeneration("generation.starting", now, "starts", { workers, replaces });
    case "probing":
      return ofGeneration("generation.listening", now, "listens");
    case "baking":
      if (trial === null) return [];
      return ofGeneration("trial.started", now, `is on trial with ${trial.percent} %`, trial);
    case "serving": {
      const again = was?.state === "draining" || undefined;
      return [
        ...was?.state === "baking" ? ofGeneration("trial.promoted", now, "is promoted") : [],
        ...ofGeneration("generation.serving", now, "serves", { again }),
      ];
    }
    case "draining":
      return ofGeneration("generation.draining", now, "drains");
    case "stopping":
      return ofGeneration("generation.stopping", now, "stops");
    case "exited":
      return [];
  }
}

function servingOf({ generations }: ServiceState): Generation[] {
  return generations.filter(({ state }) => state === "serving");
}
