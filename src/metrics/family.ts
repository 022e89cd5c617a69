/**
 * What is exposed, in the terms that Prometheus, OpenMetrics and OTLP have in common: families of points. Every form of
 * output is made from these. Pure.
 */

import type { Labels } from "../stats/series.ts";

export type { Labels };

/** A counter's name ends in `_total`, and other names in their base unit, if they have one. */
interface FamilyNames {
  readonly name: string;
  /** One sentence, for people. */
  readonly help: string;
}

export interface NumberPoint {
  readonly labels: Labels;
  readonly value: number;
}

export interface HistogramPoint {
  readonly labels: Labels;
  /** Upper bounds in ascending order, without the infinite one. */
  readonly bounds: readonly number[];
  /** Observations in each bucket alone, the infinite one last: one more than `bounds`. */
  readonly counts: readonly number[];
  readonly sum: number;
}

export type Family =
  & FamilyNames
  & (
    | { readonly type: "counter" | "gauge"; readonly points: readonly NumberPoint[] }
    | { readonly type: "histogram"; readonly points: readonly HistogramPoint[] }
  );

/** @param value null: it is not known, and there is no point */
export function single(
  type: "counter" | "gauge",
  name: string,
  help: string,
  value: number | null,
): Family {
  return { type, name, help, points: value === null ? [] : [{ labels: {}, value }] };
}

/** @returns observations up to each bound, the infinite one last, whose number is that of all */
export function cumulative({ counts }: Pick<HistogramPoint, "counts">): number[] {
  let sum = 0;
  return counts.map((count) => sum += count);
}
