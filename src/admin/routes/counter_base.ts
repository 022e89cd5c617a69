/**
 * What /reset_counters of Envoy does: from then on `/stats` counts from zero. baton's own counters, which outlive it and
 * which others may read at the same time, never go back: this remembers what they were.
 */
import { type Sample, seriesText } from "../../stats/series.ts";

export class CounterBase {
  #base = new Map<string, Sample>();

  reset(samples: readonly Sample[]): void {
    this.#base = new Map(samples.map((sample) => [seriesText(sample), sample]));
  }

  /** The samples, with counters and histograms as counted since the last reset. */
  since(samples: Sample[]): Sample[] {
    if (this.#base.size === 0) return samples;
    return samples.map((sample) => {
      const base = this.#base.get(seriesText(sample));
      const counts = sample.kind === "counter" || sample.kind === "histogram";
      if (base === undefined || !counts) return sample;
      return {
        ...sample,
        value: Math.max(0, sample.value - base.value),
        sum: Math.max(0, sample.sum - base.sum),
        cumulative: sample.cumulative.map((count, i) =>
          Math.max(0, count - (base.cumulative[i] ?? 0))
        ),
      };
    });
  }
}
