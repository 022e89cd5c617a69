/**
 * The course of a reload: phases with their durations, for the new generation and the one that it replaced, and the
 * fate of the latter's connections. A phase is a state of the lifecycle, or a hook that runs within one. Pure.
 */
import type { GenerationState } from "../lifecycle/generation.ts";
import type { KeepAliveCounts } from "../migration/in_flight.ts";
import type { ConnectionsView, PhaseView } from "./snapshot.ts";

/** Hooks that delay a state, and the state that the lifecycle is in meanwhile. */
const BEFORE: Readonly<Record<string, string>> = {
  "pre-flight": "starting",
  "pre-start": "starting",
  "pre-drain": "draining",
};
const GONE: GenerationState = "exited";
/** Phases of a generation's way out. */
const LEAVING: readonly string[] = ["pre-drain", "draining", "stopping", GONE];
/** The request waited for an earlier reload. */
const QUEUED = "queued";
/** Without waiting, a request becomes a start in less than this. */
const LEAST_QUEUED_MS = 10;

interface Mark {
  readonly phase: string;
  readonly atMs: number;
}

/** What has become of a generation's connections. */
export interface Losses {
  /** Connections on which a response was pending when they ended. */
  readonly cut: number;
  /** Connections that ended while that was not known. */
  readonly undecided: number;
  /** Connections since the start of its drain; null: not known here. */
  readonly seen: number | null;
  readonly kept: KeepAliveCounts | null;
}

/** Records when each generation entered which phase, until it is forgotten. */
export class Timelines {
  readonly #marks = new Map<number, Mark[]>();
  readonly #states = new Map<number, string>();

  /** After a step of the lifecycle: a changed state begins a phase. */
  afterStep(
    generations: readonly { readonly epoch: number; readonly state: GenerationState }[],
    nowMs: number,
  ): void {
    for (const { epoch, state } of generations) {
      if (this.#states.get(epoch) !== state) this.enter(epoch, state, nowMs);
      this.#states.set(epoch, state);
    }
    const alive = new Set(generations.map(({ epoch }) => epoch));
    for (const epoch of this.#states.keys()) {
      if (alive.has(epoch)) continue;
      this.#states.delete(epoch);
      this.enter(epoch, GONE, nowMs);
    }
  }

  enter(epoch: number, phase: string, nowMs: number): void {
    const marks = this.#marks.get(epoch) ?? [];
    this.#marks.set(epoch, marks);
    const last = marks.at(-1);
    if (last?.phase === phase) return;
    // The state's own phase begins when the hook is over.
    if (last !== undefined && last.phase === BEFORE[phase]) {
      marks[marks.length - 1] = { phase, atMs: last.atMs };
    } else {
      marks.push({ phase, atMs: nowMs });
    }
  }

  forget(epoch: number): void {
    this.#marks.delete(epoch);
    this.#states.delete(epoch);
  }

  /** Phases of `epoch` up to serving, or to its failure. */
  arrival(epoch: number): PhaseView[] {
    const marks = this.#marks.get(epoch) ?? [];
    const end = marks.findIndex(({ phase }) => phase === "serving" || LEAVING.includes(phase));
    return phasesOf(epoch, marks).slice(0, end < 0 ? marks.length : end);
  }

  /** Those phases with the time that the request was queued, if this baton started the generation. */
  arrivalSince(requestedAtMs: number, epoch: number): PhaseView[] {
    const phases = this.arrival(epoch);
    const startedAtMs = this.#marks.get(epoch)?.[0]?.atMs ?? -Infinity;
    const durationMs = Math.round(startedAtMs - requestedAtMs);
    return durationMs < LEAST_QUEUED_MS
      ? phases
      : [{ phase: QUEUED, epoch, durationMs }, ...phases];
  }

  /** Phases of the way out of `epoch`, so far. */
  departure(epoch: number): PhaseView[] {
    const marks = this.#marks.get(epoch) ?? [];
    // Only the last way out counts: the generation may have been steered back to in between.
    const start = marks.findLastIndex(({ phase }) => !LEAVING.includes(phase)) + 1;
    return phasesOf(epoch, marks.slice(start)).filter(({ phase }) => phase !== GONE);
  }

  /** When it entered its present state or hook, on the clock's `now()`; null: not known here. */
  enteredAtMs(epoch: number): number | null {
    return this.#marks.get(epoch)?.at(-1)?.atMs ?? null;
  }

  lastBeforeLeaving(epoch: number): string | null {
    const marks = this.#marks.get(epoch) ?? [];
    return marks.findLast(({ phase }) => !LEAVING.includes(phase))?.phase ?? null;
  }
}

/** A phase ends where the next one begins. */
function phasesOf(epoch: number, marks: readonly Mark[]): PhaseView[] {
  return marks.map(({ phase, atMs }, index) => {
    const next = marks[index + 1];
    return { phase, epoch, durationMs: next === undefined ? null : Math.round(next.atMs - atMs) };
  });
}

/** @param news replace the `known` phases of the same generation, except `queued` */
export function mergePhases(
  known: readonly PhaseView[],
  news: readonly PhaseView[],
  order: readonly (number | null)[],
): PhaseView[] {
  return order.flatMap((generation) => {
    const isOwn = ({ epoch }: PhaseView) => epoch === generation;
    const [before, now] = [known.filter(isOwn), news.filter(isOwn)];
    return now.length === 0 ? before : [...before.filter(({ phase }) => phase === QUEUED), ...now];
  });
}

/** @returns null when its connections are not known here */
export function connectionsView(losses: Losses): ConnectionsView | null {
  const { cut, undecided, seen, kept } = losses;
  if (seen === null) return null;
  const moved = kept?.moved ?? 0;
  return { finished: Math.max(0, seen - cut - undecided - moved), cut, undecided, moved };
}

/** One line for people: `pre-flight 31 ms, starting 402 ms, probing 3 ms`. */
export function describePhases(phases: readonly PhaseView[]): string {
  return phases.map(({ phase, durationMs }) =>
    durationMs === null ? `${phase} still` : `${phase} ${durationMs} ms`
  ).join(", ");
}
