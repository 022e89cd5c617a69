/**
 * All that a scrape shows: what the registry has counted, with a zero for what has not happened yet (an increase from
 * nothing to one would be none to Prometheus), and what is true now. Pure.
 */
import type { Summary } from "../report/summary.ts";
import type { OwnUsage } from "../platform/own_usage.ts";
import { type Description, type Sample, SERIES } from "../stats/series.ts";
import type { Family, HistogramPoint, Labels } from "./family.ts";
import { processFamilies } from "./process_families.ts";
import { serviceGauges } from "./service_gauges.ts";

interface Scraped {
  readonly samples: readonly Sample[];
  readonly summary: Summary;
  readonly usage: OwnUsage;
}

/** Values that a label of a counter is known to have. */
const VALUES: Readonly<Record<string, readonly string[]>> = {
  result: ["ok", "failed", "refused"],
  outcome: ["failed", "rolled back", "superseded", "crashed", "stopped", "finished"],
  fate: ["finished", "cut", "undecided", "moved"],
};

/** The families of a scrape, each name once: what is true now replaces what was noted about it before. */
export function familiesOf({ samples, summary, usage }: Scraped): Family[] {
  const now = [...serviceGauges(summary), ...processFamilies(usage)];
  const names = new Set(now.map(({ name }) => name));
  return [...countedFamilies(samples).filter(({ name }) => !names.has(name)), ...now];
}

function countedFamilies(samples: readonly Sample[]): Family[] {
  const known = Object.entries(SERIES);
  const all = new Set([...known.map(([name]) => name), ...samples.map(({ name }) => name)]);
  const descriptions: Readonly<Record<string, Description | undefined>> = SERIES;
  return [...all].flatMap((name) => {
    const own = samples.filter((sample) => sample.name === name);
    return familyOf(name, own, descriptions[name] ?? null);
  });
}

/**
 * The family of a name. Another version of baton may have counted some of it: then that description is missing, or
 * another.
 */
function familyOf(
  name: string,
  samples: readonly Sample[],
  description: Description | null,
): Family[] {
  const kind = samples.at(-1)?.kind ?? description?.kind;
  if (kind === undefined) return [];
  const help = description?.help ?? "Counted by another version of baton";
  const own = samples.filter((sample) => sample.kind === kind);
  const unseen = unseenLabels(own, description);
  if (kind === "histogram") {
    const zeros = unseen.map((labels) => emptyHistogram(labels, description?.buckets ?? []));
    return [{ name, help, type: kind, points: [...own.map(histogramPoint), ...zeros] }];
  }
  const points = own.map(({ labels, value }) => ({ labels, value }));
  if (kind !== "counter") return [{ name, help, type: "gauge", points }];
  const zeros = unseen.map((labels) => ({ labels, value: 0 }));
  return [{ name, help, type: kind, points: [...points, ...zeros] }];
}

function histogramPoint({ labels, buckets, cumulative, sum }: Sample): HistogramPoint {
  const counts = cumulative.map((upTo, index) => upTo - (cumulative[index - 1] ?? 0));
  return { labels, bounds: buckets, counts, sum };
}

function emptyHistogram(labels: Labels, bounds: readonly number[]): HistogramPoint {
  return { labels, bounds, counts: Array<number>(bounds.length + 1).fill(0), sum: 0 };
}

/** The combinations of known values that no point has; none where a label may have any value. */
function unseenLabels(
  seen: readonly { readonly labels: Labels }[],
  description: Description | null,
): Labels[] {
  if (description === null) return [];
  const [label, ...more] = description.labels ?? [];
  if (more.length > 0) return [];
  if (label === undefined) return seen.length === 0 ? [{}] : [];
  return (VALUES[label] ?? [])
    .filter((value) => seen.every(({ labels }) => labels[label] !== value))
    .map((value) => ({ [label]: value }));
}
