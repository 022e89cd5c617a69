/**
 * Reloads as traces: one span for each reload, from its request to its answer, and one below it for each of its phases. The
 * old generation's way out ends later, and so do its spans: they are sent when it has exited, or when the next reload is
 * answered. Pure.
 */
import type { LastReload, PhaseView } from "../../report/snapshot.ts";

export type Attributes = Readonly<Record<string, string | number | boolean>>;

export interface PlannedSpan {
  /** The number of the reload, from 1 on: each is a trace. */
  readonly reload: number;
  /** Name of the phase; null: the reload's own span, which the others are below. */
  readonly phase: string | null;
  /** Milliseconds since 1970. */
  readonly startMs: number;
  readonly endMs: number;
  readonly attributes: Attributes;
  /** Why the reload or phase has failed; null: it has not. */
  readonly error: string | null;
}

interface Known {
  readonly reload: number;
  readonly last: LastReload;
  /** Whether the old generation's way out was not sent yet. */
  readonly isLeaving: boolean;
}

export class ReloadTraces {
  #count = 0;
  #known: Known | null = null;

  /**
   * After each step of the lifecycle.
   * @param last the last reload, as far as it is known by now
   * @param isAnswered `last` was answered in this step
   */
  look(last: LastReload | null, isAnswered: boolean, atMs: number): PlannedSpan[] {
    if (last === null) return [];
    if (isAnswered) return [...this.#departure(null, atMs), ...this.#answered(last, atMs)];
    const known = this.#known;
    // A reload of the baton before this one, or one without a generation: there is nothing more to say.
    if (known === null || known.last.epoch !== last.epoch) return [];
    this.#known = { ...known, last: { ...last, replaced: last.replaced ?? known.last.replaced } };
    if (known.last.result === "ok" && last.result === "failed") {
      this.#known = { ...this.#known, isLeaving: false };
      return [rollback(known.reload, last, atMs)];
    }
    return last.connections === null && phasesOf(last, "old").some(isUnfinished)
      ? []
      : this.#departure(last, atMs);
  }

  #answered(last: LastReload, atMs: number): PlannedSpan[] {
    const reload = ++this.#count;
    const startMs = atMs - last.durationMs;
    const isHeld = last.held !== null;
    this.#known = { reload, last, isLeaving: last.replaced !== null && !isHeld };
    const root: PlannedSpan = {
      reload,
      phase: null,
      startMs,
      endMs: atMs,
      attributes: attributesOf(last),
      error: last.result === "ok" ? null : last.reason ?? last.result,
    };
    const own = inOrder(reload, phasesOf(last, "new"), startMs, last.failedIn, last.reason, atMs);
    // With stop-first, the old generation was stopped while the new one waited.
    const waitedAt = own.find(({ phase }) => phase !== "queued")?.startMs ?? startMs;
    const old = isHeld ? inOrder(reload, phasesOf(last, "old"), waitedAt, null, null, atMs) : [];
    return [root, ...own, ...old];
  }

  /** @param last null: the next reload is answered, and what was seen last must do */
  #departure(last: LastReload | null, atMs: number): PlannedSpan[] {
    const known = this.#known;
    if (known === null || !known.isLeaving) return [];
    this.#known = { ...known, isLeaving: false };
    const { connections, ...rest } = last ?? known.last;
    const phases = phasesOf({ ...rest, connections }, "old").filter(({ durationMs }) =>
      durationMs !== null
    );
    const tookMs = phases.reduce((sum, { durationMs }) => sum + (durationMs ?? 0), 0);
    const spans = inOrder(known.reload, phases, atMs - tookMs, null, null, atMs);
    return spans.map((span) =>
      span.phase === "draining" && connections !== null
        ? { ...span, attributes: { ...span.attributes, ...fates(connections) } }
        : span
    );
  }
}

function phasesOf({ phases, epoch }: LastReload, whose: "new" | "old"): PhaseView[] {
  return phases.filter((phase) => (phase.epoch === epoch) === (whose === "new"));
}

function isUnfinished({ durationMs }: PhaseView): boolean {
  return durationMs === null;
}

/** Spans of phases, one after the other, the first at `startMs`, none later than `limitMs`. */
function inOrder(
  reload: number,
  phases: readonly PhaseView[],
  startMs: number,
  failedIn: string | null,
  reason: string | null,
  limitMs: number,
): PlannedSpan[] {
  let atMs = startMs;
  return phases.map(({ phase, epoch, durationMs }) => {
    const beganMs = Math.min(atMs, limitMs);
    atMs = durationMs === null ? limitMs : Math.min(atMs + durationMs, limitMs);
    const error = phase === failedIn ? reason ?? "failed" : null;
    const attributes = { "baton.generation": epoch };
    return { reload, phase, startMs: beganMs, endMs: atMs, attributes, error };
  });
}

function rollback(reload: number, { epoch, reason }: LastReload, atMs: number): PlannedSpan {
  const attributes: Attributes = epoch === null ? {} : { "baton.generation": epoch };
  const error = reason ?? "rolled back";
  return { reload, phase: "rollback", startMs: atMs, endMs: atMs, attributes, error };
}

function attributesOf({ epoch, replaced, result, held, restored }: LastReload): Attributes {
  const numbers = {
    "baton.generation": epoch,
    "baton.generation.replaced": replaced,
    "baton.generation.restored": restored,
    "baton.clients.held": held?.clients ?? null,
  };
  return {
    "baton.reload.result": result,
    "baton.reload.order": held === null ? "start-first" : "stop-first",
    ...Object.fromEntries(
      Object.entries(numbers).flatMap(([name, value]) => value === null ? [] : [[name, value]]),
    ),
  };
}

function fates(connections: NonNullable<LastReload["connections"]>): Attributes {
  return Object.fromEntries(
    Object.entries(connections).map(([fate, number]) => [`baton.connections.${fate}`, number]),
  );
}
