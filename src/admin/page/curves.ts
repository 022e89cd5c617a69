/** The connections of each generation over time, as lines of a drawing. Pure. */
import type { View } from "./lanes.ts";

interface Sample {
  readonly atMs: number;
  readonly count: number;
}

interface Curve {
  readonly epoch: number;
  /** `d` of an SVG path. */
  readonly path: string;
  readonly latest: number;
}

/** Size of a drawing, in which y goes down. */
interface Size {
  readonly width: number;
  readonly height: number;
}

/** One look a second for an hour. */
const MOST_SAMPLES = 3_600;
/** Ends of the scale: 1, 2 or 5 times a power of ten. */
const STEPS = [1, 2, 5, 10] as const;
/** The least that the scale reaches to. */
const LEAST_TOP = 5;

export class Curves {
  readonly #samples = new Map<number, Sample[]>();

  /** @param counts of the generations that are alive */
  add(atMs: number, counts: ReadonlyMap<number, number>): void {
    for (const [epoch, count] of counts) {
      const samples = this.#samples.get(epoch) ?? [];
      this.#samples.set(epoch, samples);
      const [last, before] = [samples.at(-1), samples.at(-2)];
      // A level stretch is two points.
      if (last?.count === count && before?.count === count) samples.pop();
      samples.push({ atMs, count });
      if (samples.length > MOST_SAMPLES) samples.shift();
    }
    for (const [epoch, samples] of this.#samples) {
      const last = samples.at(-1)!;
      if (!counts.has(epoch) && last.count !== 0) samples.push({ atMs, count: 0 });
    }
  }

  /** Forgets what is out of the longest view. */
  forget(beforeMs: number): void {
    for (const [epoch, samples] of this.#samples) {
      if (samples.at(-1)!.atMs < beforeMs) this.#samples.delete(epoch);
    }
  }

  /** The end of the scale. */
  top(view: View): number {
    const highest = Math.max(
      LEAST_TOP,
      ...[...this.#samples.values()].flat().filter(({ atMs }) => atMs >= view.fromMs)
        .map(({ count }) => count),
    );
    const power = 10 ** Math.floor(Math.log10(highest));
    return power * STEPS.find((step) => step * power >= highest)!;
  }

  in(view: View, { width, height }: Size): Curve[] {
    const top = this.top(view);
    const x = (atMs: number) => round(width * (atMs - view.fromMs) / (view.toMs - view.fromMs));
    const y = (count: number) => round(height * (1 - count / top));
    return [...this.#samples].sort(([a], [b]) => a - b).flatMap(([epoch, samples]) => {
      const first = samples.findIndex(({ atMs }) => atMs >= view.fromMs);
      if (first < 0) return [];
      // With the one before: the line comes in from the left.
      const shown = samples.slice(Math.max(0, first - 1));
      const path = shown.map(({ atMs, count }, index) =>
        `${index === 0 ? "M" : "L"}${x(atMs)} ${y(count)}`
      ).join("");
      return [{ epoch, path, latest: shown.at(-1)!.count }];
    });
  }
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
