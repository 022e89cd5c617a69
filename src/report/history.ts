/** The history of a service beyond the lifecycle's own state: counters, the last reload, and the latest exits. */
import type { ServiceEvent } from "../lifecycle/vocabulary.ts";
import type { Generation, GenerationState, Outcome } from "../lifecycle/generation.ts";
import type { ServiceState } from "../lifecycle/state.ts";
import { NO_CONNECTIONS } from "../drain/connections.ts";
import { type DrainCallCounts, NO_DRAIN_CALLS, withCall } from "./drain_calls.ts";
import type { Clock } from "../platform/clock.ts";
import { connectionsView, type Losses, mergePhases, Timelines } from "./timelines.ts";
import {
  type EndedGeneration,
  type Findings,
  type LastReload,
  type LateView,
  NO_FINDINGS,
  NO_STORY,
  type Snapshot,
} from "./snapshot.ts";
import type { LastWords } from "./summary.ts";

const NO_LOSSES = { connectionsCut: 0, connectionsUndecided: 0 };
/** Number of exited generations that are remembered. */
const REMEMBERED = 8;

/** The part of the history that the next baton gets in any case. */
export interface CountersRecord extends Readonly<Snapshot["restarts"]> {
  readonly failedByHand?: boolean;
  /** Calls of --drain-call; missing: there were none. */
  readonly drainCalls?: DrainCallCounts;
}

/** The history as it is passed on to the next baton. */
export interface HistoryRecord extends CountersRecord {
  readonly lastReload: LastReload | null;
  readonly recentlyEnded: readonly EndedGeneration[];
  readonly replaced: number | null;
}

/** What the answer to a reload says besides the verdict. */
type KnownAtAnswer = Findings & Pick<LastReload, "late" | "held" | "restored">;

export class History {
  restarts = { ok: 0, failed: 0, crashes: 0 };
  drainCalls: DrainCallCounts = NO_DRAIN_CALLS;
  /** Whether an operator wants the service to get no traffic, until the operator says otherwise: /healthcheck/fail. */
  failedByHand = false;
  /** Connections that were cut since a stop was first asked for. */
  cutByStop = 0;
  readonly timelines = new Timelines();
  /** The last words of the generation of the last reload, if that failed. */
  lastWords: LastWords | null = null;
  /** How long each client has waited whose wait has ended in this step (--order stop-first). */
  waitsMs: readonly number[] = [];
  /** Generations that have exited, the newest last. */
  readonly recentlyEnded: EndedGeneration[] = [];
  readonly #records = new Map<number, { readonly startedAt: Date; readonly pid: number | null }>();
  readonly #lastKnown = new Map<number, Generation>();
  #lastReload: LastReload | null = null;
  /** Generation that the last reload replaced. */
  #replaced: number | null = null;
  /** The same generation, until it has exited. */
  #leaving: number | null = null;
  /** The generation that a reload stops before it starts the next one (lifecycle/stop_first.ts). */
  #stopsFirst: number | null = null;
  /** What has become of the generation that was stopped first. */
  #stopped: Partial<LastReload> = {};
  /** The course of a start that has failed, whose reload is answered later. */
  #failedStart: Partial<LastReload> & { readonly epoch: number | null } = { epoch: null };

  /** Number of batons that ran this service before this one, without a stop in between. */
  incarnation = 0;
  /** When the first of them started. */
  startedAt: Date;

  constructor(readonly clock: Clock) {
    this.startedAt = new Date(clock.wallMs());
  }

  record(): HistoryRecord {
    const { counters, lastReload, recentlyEnded } = this;
    return { ...counters, lastReload, recentlyEnded, replaced: this.#replaced };
  }

  get counters(): CountersRecord {
    const { restarts, failedByHand, drainCalls } = this;
    const hasCalled = drainCalls !== NO_DRAIN_CALLS;
    return { ...restarts, ...failedByHand && { failedByHand }, ...hasCalled && { drainCalls } };
  }

  set counters(
    { ok, failed, crashes, failedByHand = false, drainCalls = NO_DRAIN_CALLS }: CountersRecord,
  ) {
    this.restarts = { ok, failed, crashes };
    this.failedByHand = failedByHand;
    this.drainCalls = drainCalls;
  }

  /** Continues the history of the previous instance. */
  resume(record: HistoryRecord, facts: { incarnation: number; startedAt: string }): void {
    this.counters = record;
    this.#lastReload = record.lastReload;
    this.#leaving = this.#lastReload?.connections === null ? this.#lastReload.replaced : null;
    this.recentlyEnded.push(...record.recentlyEnded);
    this.#replaced = record.replaced;
    this.incarnation = facts.incarnation;
    this.startedAt = new Date(facts.startedAt);
  }

  /** @param pid null: its process has not been launched yet */
  started(epoch: number, startedAt: Date, pid: number | null = null): void {
    this.#records.set(epoch, { startedAt, pid });
  }

  beforeStep(event: ServiceEvent, state: ServiceState): void {
    this.waitsMs = [];
    if (event.kind === "stop_requested" && state.shutdown === null) this.cutByStop = 0;
    if (event.kind === "drain_called") {
      this.drainCalls = withCall(this.drainCalls, event, new Date(this.clock.wallMs()));
    }
    if (event.kind === "ready") {
      const serving = state.generations.find((g) => g.state === "serving")?.epoch ?? null;
      // A server with several listeners or workers is ready more than once.
      if (serving !== event.epoch) this.#replaced = serving;
    }
    if (event.kind !== "exited") return;
    const generation = state.generations.find(({ epoch }) => epoch === event.epoch);
    if (generation === undefined) return;
    const outcome = outcomeOfExit(generation.state, event.exit.status);
    this.#lastKnown.set(event.epoch, {
      ...generation,
      state: "exited",
      outcome: generation.outcome ?? outcome,
      reason: generation.reason ?? (outcome === null ? null : event.exit.text),
    });
  }

  afterStep(state: ServiceState): void {
    this.timelines.afterStep(state.generations, this.clock.now());
    this.#stopsFirst = state.held ?? this.#stopsFirst;
    for (const generation of state.generations) this.#lastKnown.set(generation.epoch, generation);
  }

  /** The last reload, as far as it is known by now. */
  get lastReload(): LastReload | null {
    const last = this.#lastReload;
    if (last === null || last.epoch === null) return last;
    const departure = this.#leaving === null ? [] : this.timelines.departure(this.#leaving);
    const news = [...this.timelines.arrival(last.epoch), ...departure];
    return { ...last, phases: mergePhases(last.phases, news, [last.epoch, last.replaced]) };
  }

  /** @param known late: where the new generation does not listen yet */
  reloaded(
    verdict: Pick<LastReload, "epoch" | "result" | "reason" | "durationMs">,
    known: KnownAtAnswer = { late: [], held: null, restored: null, ...NO_FINDINGS },
  ): void {
    const { timelines } = this;
    const { epoch, result, durationMs } = verdict;
    const hasFailed = result === "failed" && epoch !== null;
    this.#leaving = result === "ok" ? this.#replaced : null;
    const arrival = epoch === null
      ? []
      : timelines.arrivalSince(this.clock.now() - durationMs, epoch);
    const failedIn = hasFailed ? timelines.lastBeforeLeaving(epoch) : null;
    const { phases: departure = [], ...stopped } = this.#stopped;
    const { phases: failedStart = [], ...failure } = epoch === this.#failedStart.epoch
      ? this.#failedStart
      : {};
    this.#lastReload = {
      ...NO_STORY,
      ...verdict,
      ...NO_LOSSES,
      connectionsKept: null,
      replaced: this.#leaving,
      failedIn,
      ...failure,
      ...stopped,
      phases: [...arrival, ...failedStart, ...departure],
      ...known,
    };
    this.#stopped = {};
  }

  /** Generation `epoch` has failed, and the answer comes when the version before it runs again. */
  keepFailure(epoch: number): void {
    const { timelines } = this;
    const [phases, failedIn] = [timelines.arrival(epoch), timelines.lastBeforeLeaving(epoch)];
    this.#failedStart = { epoch, phases, failedIn };
  }

  /** Notes what was lost with a generation that made room for the next one, whose reload is not answered yet. */
  #noteStopped(epoch: number, { cut, undecided, kept, ...rest }: Losses): void {
    this.#stopsFirst = null;
    this.#stopped = {
      replaced: epoch,
      phases: this.timelines.departure(epoch),
      connections: connectionsView({ cut, undecided, kept, ...rest }),
      connectionsCut: cut,
      connectionsUndecided: undecided,
      connectionsKept: kept,
    };
  }

  /** Late listeners of generation `epoch` that are not in `waiting` any more have become `end`. */
  updateLate(epoch: number, waiting: readonly LateView[], end: "opened" | "given up"): void {
    const last = this.#lastReload;
    if (last === null || last.epoch !== epoch || last.late.length === 0) return;
    const late = last.late.map((known) =>
      waiting.find(({ address }) => address === known.address) ??
        (known.state === "waiting" ? { ...known, state: end } : known)
    );
    this.#lastReload = { ...last, late };
  }

  /** Notes what a later look at the generation before has shown. */
  doubt(epoch: number | null, doubt: string | null): void {
    if (this.#lastReload?.epoch === epoch) this.#lastReload = { ...this.#lastReload, doubt };
  }

  /** Generation `epoch` is rolled back after it has passed its gate. */
  rolledBack(epoch: number, reason: string): void {
    const last = this.lastReload;
    // The caller of that reload got the answer "ok" already.
    if (last?.epoch !== epoch || last.result !== "ok") return;
    this.restarts.failed++;
    this.#leaving = null;
    const failedIn = this.timelines.lastBeforeLeaving(epoch);
    const verdict = { result: "failed", reason: `rolled back: ${reason}`, failedIn } as const;
    this.#lastReload = { ...last, ...verdict, replaced: null };
  }

  /** All processes of a generation have exited. @returns how it ended; null from the second call on */
  ended(epoch: number, losses: Losses): EndedGeneration | null {
    const last = this.lastReload;
    const lost = { connectionsCut: losses.cut, connectionsUndecided: losses.undecided };
    if (epoch === this.#stopsFirst) this.#noteStopped(epoch, losses);
    if (last !== null && epoch === this.#replaced && last.result === "ok") {
      const connections = connectionsView(losses);
      this.#lastReload = { ...last, ...lost, connectionsKept: losses.kept, connections };
      this.#leaving = null;
    } else if (last !== null && epoch === last.epoch && last.result === "failed") {
      // The generation was rolled back, and has had connections.
      this.#lastReload = { ...last, ...lost };
    }
    this.timelines.forget(epoch);
    const known = this.#lastKnown.get(epoch);
    if (known !== undefined) this.cutByStop += losses.cut;
    const views = known === undefined ? [] : this.#viewOf(known, lost);
    this.recentlyEnded.push(...views);
    this.#lastKnown.delete(epoch);
    this.#records.delete(epoch);
    if (this.recentlyEnded.length > REMEMBERED) this.recentlyEnded.shift();
    return views[0] ?? null;
  }

  /** Generations that have exited, and whose listeners are kept for a replacement. */
  get orphaned(): EndedGeneration[] {
    return [...this.#lastKnown.values()].filter(({ state }) => state === "exited")
      .flatMap((generation) => this.#viewOf(generation));
  }

  /** The view of an ended generation, in a list that is empty for one that was never started. */
  #viewOf({ epoch, outcome, reason }: Generation, lost = NO_LOSSES): EndedGeneration[] {
    const record = this.#records.get(epoch);
    if (record === undefined) return [];
    return [{
      epoch,
      state: "exited",
      outcome,
      reason,
      pid: record.pid,
      startedAt: record.startedAt.toISOString(),
      connections: NO_CONNECTIONS,
      ...lost,
      checks: [],
      takesConnections: false,
    }];
  }
}

/**
 * The outcome of a generation that exits while it is still wanted.
 * @returns null: nothing can be said, it was not
 */
function outcomeOfExit(state: GenerationState, status: number): Outcome | null {
  switch (state) {
    case "waiting":
    case "starting":
    case "probing":
      return "failed";
    case "baking":
      return "rolled back";
    case "serving":
      return status === 0 ? "finished" : "crashed";
    default:
      return null;
  }
}
