/**
 * The time line of the generations: for each the states that it went through, with their times. Put together from looks
 * at the service and from its events, in whatever order these come. Pure.
 */

/** A state of a generation from `atMs` on: milliseconds since 1970, by baton's clock. */
interface Mark {
  readonly state: string;
  readonly atMs: number;
}

/** A part of a lane that is in view. */
export interface Segment {
  readonly state: string;
  readonly fromMs: number;
  /** Null: it lasts. */
  readonly toMs: number | null;
  /** Place in the view, as a percentage of its width. */
  readonly leftPercent: number;
  readonly widthPercent: number;
}

export interface View {
  readonly fromMs: number;
  readonly toMs: number;
}

/** In their order. */
export const STATES = [
  "waiting",
  "starting",
  "probing",
  "baking",
  "serving",
  "draining",
  "stopping",
] as const;
/** What most of the time before was spent in, where no event says more. */
const BEFORE: Readonly<Record<string, string>> = {
  probing: "starting",
  baking: "starting",
  serving: "starting",
  draining: "serving",
  stopping: "serving",
};

/** What the lane of a generation shows. */
interface LaneSight {
  readonly epoch: number;
  readonly state: string;
  /** For how long it has been in its state; null: not known. */
  readonly stateMs: number | null;
  /** ISO 8601. */
  readonly startedAt: string;
}

/** More are not looked at: the oldest make room. */
const MOST_LANES = 200;
const GONE = "exited";
/** A look and an event tell of the same change within this. */
const SAME_CHANGE_MS = 1_500;

export class Lanes {
  readonly #marks = new Map<number, Mark[]>();

  /** Generation `epoch` was in this state from then on. */
  note(epoch: number, state: string, atMs: number): void {
    const marks = this.#marks.get(epoch) ?? [];
    this.#marks.set(epoch, marks);
    const isKnown = marks.some((mark) =>
      mark.state === state && Math.abs(mark.atMs - atMs) < SAME_CHANGE_MS
    );
    if (isKnown) return;
    const at = marks.findLastIndex((mark) => mark.atMs <= atMs) + 1;
    const [before, after] = [marks[at - 1], marks[at]];
    if (before?.state === state) return;
    // Seen later than it began.
    if (after?.state === state) marks[at] = { state, atMs };
    else marks.splice(at, 0, { state, atMs });
    this.#makeRoom();
  }

  /** What a look at the service has shown. */
  look(generations: readonly LaneSight[], nowMs: number): void {
    for (const { epoch, state, stateMs, startedAt } of generations) {
      const isNew = !this.#marks.has(epoch);
      // When it ended is not known.
      if (isNew && state === GONE) continue;
      const startedMs = Date.parse(startedAt);
      const before = BEFORE[state];
      if (isNew && stateMs !== null && before !== undefined) this.note(epoch, before, startedMs);
      const sinceMs = nowMs - (stateMs ?? 0);
      this.note(epoch, state, isNew && stateMs === null ? startedMs : sinceMs);
    }
  }

  #makeRoom(): void {
    if (this.#marks.size <= MOST_LANES) return;
    this.#marks.delete(Math.min(...this.#marks.keys()));
  }

  /**
   * Generations with a part in view, the newest first: all that live, and of the others no more than there is room for.
   */
  epochs(view: View, most = Infinity): number[] {
    const inView = [...this.#marks.keys()].filter((epoch) => this.segments(epoch, view).length > 0)
      .sort((a, b) => b - a);
    const isGone = (epoch: number) => this.#marks.get(epoch)?.at(-1)?.state === GONE;
    const alive = inView.filter((epoch) => !isGone(epoch));
    const ended = inView.filter(isGone).slice(0, Math.max(0, most - alive.length));
    return inView.filter((epoch) => alive.includes(epoch) || ended.includes(epoch));
  }

  segments(epoch: number, { fromMs, toMs }: View): Segment[] {
    const marks = this.#marks.get(epoch) ?? [];
    return marks.flatMap(({ state, atMs }, index) => {
      const endMs = marks[index + 1]?.atMs ?? null;
      const [left, right] = [Math.max(atMs, fromMs), Math.min(endMs ?? toMs, toMs)];
      if (state === GONE || left >= right) return [];
      const percent = (ms: number) => 100 * ms / (toMs - fromMs);
      return [{
        state,
        fromMs: atMs,
        toMs: endMs,
        leftPercent: percent(left - fromMs),
        widthPercent: percent(right - left),
      }];
    });
  }
}

/** @returns round times in view, about as many as fit into `most` */
export function ticksIn({ fromMs, toMs }: View, most: number): number[] {
  const steps = [5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21_600, 86_400]
    .map((seconds) => seconds * 1000);
  const step = steps.find((each) => (toMs - fromMs) / each <= most) ?? steps.at(-1)!;
  const ticks: number[] = [];
  for (let atMs = Math.ceil(fromMs / step) * step; atMs <= toMs; atMs += step) ticks.push(atMs);
  return ticks;
}
