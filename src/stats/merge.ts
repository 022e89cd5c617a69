/** From the series of several batons of one service to what a reader sees. Pure. */
import { type Sample, seriesText } from "./series.ts";
import type { StoredSeries } from "./slot.ts";

/** @param slots the oldest first. @returns each series once */
export function mergeSeries(slots: readonly (readonly StoredSeries[])[]): StoredSeries[] {
  const merged = new Map<string, StoredSeries>();
  for (const series of slots.flat()) {
    const text = seriesText(series);
    const before = merged.get(text);
    merged.set(text, before === undefined ? series : together(before, series));
  }
  return [...merged.values()];
}

/**
 * Two values of one series. The newer baton's word counts where they cannot be added: another version may have other
 * buckets.
 */
function together(before: StoredSeries, now: StoredSeries): StoredSeries {
  const isSame = before.kind === now.kind && String(before.buckets) === String(now.buckets);
  if (!isSame || now.kind === "state") return now;
  return { ...now, cells: now.cells.map((value, i) => value + before.cells[i]!) };
}

export function sampleOf({ cells, ...key }: StoredSeries): Sample {
  if (key.kind !== "histogram") return { ...key, value: cells[0]!, cumulative: [], sum: 0 };
  const counts = cells.slice(0, -1);
  let value = 0;
  const cumulative = counts.map((count) => value += count);
  return { ...key, value, cumulative, sum: cells.at(-1)! };
}

/** Whether a series stays when the baton that has counted it is gone. */
export function isLasting({ kind }: Pick<StoredSeries, "kind">): boolean {
  return kind === "counter" || kind === "histogram";
}
