/** One step of the lifecycle -> the events that others learn of. Pure. */
import type { Generation } from "../lifecycle/generation.ts";
import type { ServiceState } from "../lifecycle/state.ts";
import type { Step } from "../report/step.ts";
import { type Draft, draft } from "./event.ts";
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
  const name = `generation ${epoch}`;
  switch (event.kind) {
    case "ready": {
      const now = after.generations.find((each) => each.epoch === epoch);
      const isNews = now?.state !== was.state ||
        effects.some(({ kind }) => kind === "request_takeover");
      return isBeforeServing(was) && isNews
        ? [draft("generation.ready", `${name} has passed its gate`, { epoch })]
        : [];
    }
    case "unhealthy": {
      const { reason, worker } = event;
      const who = worker === undefined ? name : `worker ${worker} of ${name}`;
      return [
        draft("generation.unhealthy", `${who} is unhealthy: ${reason}`, { epoch, worker, reason }),
      ];
    }
    case "worker_exited": {
      const { worker, reason, status } = event;
      return [
        draft("worker.exited", `worker ${worker} of ${name}: ${reason}`, {
          epoch,
          worker,
          reason,
          status,
        }),
      ];
    }
    case "drained":
      return was.state === "draining"
        ? [draft("generation.drained", `${name} has drained`, { epoch })]
        : [];
    case "drain_timed_out":
      return was.state === "draining"
        ? [draft("generation.drain_timed_out", `${name} has not drained in time`, { epoch })]
        : [];
    case "behind":
      return [draft("listeners.late", `${name} does not listen everywhere yet`, { epoch })];
    case "caught_up":
      return [draft("listeners.complete", `${name} listens everywhere`, { epoch })];
    case "exited": {
      const { text: reason, status, asRequested } = event.exit;
      const isCrash = was.state === "serving" && !asRequested && before.shutdown === null;
      const { outcome = null, connectionsCut: cut, connectionsUndecided: undecided } =
        history.recentlyEnded.findLast((each) => each.epoch === epoch) ?? {};
      if (before.inherited === epoch) {
        // How its servers have ended, only its own baton knows.
        return [draft("generation.exited", `${name} has exited: ${reason}`, { epoch, reason })];
      }
      return [
        ...isCrash
          ? [
            draft("generation.crashed", `${name} has crashed: ${reason}`, {
              epoch,
              reason,
              status,
            }),
          ]
          : [],
        draft("generation.exited", `${name} has exited: ${reason}`, {
          epoch,
          outcome,
          reason,
          status,
          cut,
          undecided,
        }),
      ];
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
  { epoch, outcome, reason }: Pick<Generation, "epoch" | "outcome" | "reason">,
): Draft[] {
  if (was?.outcome === outcome) return [];
  const why = reason === null ? "" : `: ${reason}`;
  if (outcome === "failed") {
    return [draft("generation.failed", `generation ${epoch} has failed${why}`, { epoch, reason })];
  }
  return outcome === "rolled back"
    ? [
      draft("generation.rolled_back", `generation ${epoch} is rolled back${why}`, {
        epoch,
        reason,
      }),
    ]
    : [];
}

function entered(was: Generation | undefined, now: Generation, { trial }: ServiceState): Draft[] {
  const { epoch, workers, replaces } = now;
  const name = `generation ${epoch}`;
  switch (now.state) {
    case "waiting":
      return [
        draft("generation.waiting", `${name} waits for the exit of the one before`, {
          epoch,
          workers,
        }),
      ];
    case "starting":
      return [draft("generation.starting", `${name} starts`, { epoch, workers, replaces })];
    case "probing":
      return [draft("generation.listening", `${name} listens`, { epoch })];
    case "baking":
      return trial === null ? [] : [
        draft("trial.started", `${name} is on trial with ${trial.percent} %`, {
          epoch,
          ...trial,
        }),
      ];
    case "serving": {
      const promoted = was?.state === "baking"
        ? [draft("trial.promoted", `${name} is promoted`, { epoch })]
        : [];
      const again = was?.state === "draining" || undefined;
      return [...promoted, draft("generation.serving", `${name} serves`, { epoch, again })];
    }
    case "draining":
      return [draft("generation.draining", `${name} drains`, { epoch })];
    case "stopping":
      return [draft("generation.stopping", `${name} stops`, { epoch })];
    case "exited":
      return [];
  }
}

function isBeforeServing({ state }: Generation): boolean {
  return state === "starting" || state === "probing";
}

function servingOf({ generations }: ServiceState): Generation[] {
  return generations.filter(({ state }) => state === "serving");
}
