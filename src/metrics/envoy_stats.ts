/**
 * The answer of Envoy's /stats, in its text and JSON forms: source/server/admin/stats_handler.cc, stats_render.cc of Envoy 1.40. The
 * names have their labels in them, as Envoy's have. Pure.
 */
import { cumulative, type Family, type HistogramPoint, type Labels } from "./family.ts";
import { nameFilter } from "./name_filter.ts";

const TYPES = ["All", "Counters", "Gauges", "Histograms", "TextReadouts"];
const FORMATS = ["json", "prometheus", "text"] as const;
type Format = typeof FORMATS[number];
const QUANTILES = [0, 25, 50, 75, 90, 95, 99, 99.5, 99.9, 100];

/** What /stats is asked for. */
export interface StatsQuery {
  readonly format: Format;
  readonly type: string;
  readonly usedOnly: boolean;
  readonly matches: (name: string) => boolean;
}

/** @returns a text: what is wrong with it, in Envoy's words where it has some */
export function parseStatsQuery(query: Readonly<Record<string, string>>): StatsQuery | string {
  const format = FORMATS.find((each) => each === (query["format"] ?? "text"));
  if (format === undefined) return `usage: /stats?format=(${FORMATS.join("|")})\n`;
  const type = query["type"] ?? "All";
  if (!TYPES.includes(type)) return "invalid &type= param";
  const filter = query["filter"] ?? "";
  const matches = nameFilter(filter);
  if (typeof matches === "string") return `Invalid regex: ${matches}: ${filter}`;
  return { format, type, usedOnly: query["usedonly"] !== undefined, matches };
}

interface Single {
  readonly name: string;
  readonly value: number;
}

interface Distribution {
  readonly name: string;
  readonly point: HistogramPoint;
}

/** Families that are asked for in the form of Prometheus: filtered by the names that they have there. */
export function usedFamilies(families: readonly Family[], query: StatsQuery): Family[] {
  return families.filter(({ name, type }) => query.matches(name) && isAsked(type, query.type))
    .map((family): Family => {
      if (!query.usedOnly) return family;
      return family.type === "histogram"
        ? { ...family, points: family.points.filter((point) => !isEmpty(point)) }
        : { ...family, points: family.points.filter(({ value }) => value !== 0) };
    });
}

export function statsAnswer(families: readonly Family[], query: StatsQuery): string {
  const { type, usedOnly, matches, format } = query;
  const singles = families
    .flatMap((family) =>
      family.type === "histogram" || !isAsked(family.type, type) ? [] : family.points
        .map(({ labels, value }) => ({ name: dotted(family.name, labels), value }))
    )
    .filter(({ name, value }) => matches(name) && !(usedOnly && value === 0))
    .sort(byName);
  const distributions = families
    .flatMap((family) =>
      family.type !== "histogram" || !isAsked(family.type, type) ? [] : family.points
        .map((point) => ({ name: dotted(family.name, point.labels), point }))
    )
    .filter(({ name, point }) => matches(name) && !(usedOnly && isEmpty(point)))
    .sort(byName);
  return format === "json" ? asJson(singles, distributions) : asText(singles, distributions);
}

function isAsked(type: Family["type"], asked: string): boolean {
  return asked === "All" || asked.toLowerCase() === `${type}s`;
}

function byName(a: { readonly name: string }, b: { readonly name: string }): number {
  return a.name < b.name ? -1 : Number(a.name > b.name);
}

/** `baton_reloads_total{result="ok"}` is `baton.reloads.result.ok`; names that have dots already stay. */
function dotted(name: string, labels: Labels): string {
  const own = name.replace(/_total$/, "").replace(/^(baton|process)_/, "$1.");
  const parts = Object.entries(labels).map(([label, value]) =>
    `.${label}.${value.replaceAll(".", "_")}`
  );
  return own + parts.join("");
}

function asText(singles: readonly Single[], distributions: readonly Distribution[]): string {
  return [
    ...singles.map(({ name, value }) => `${name}: ${value}\n`),
    ...distributions.map(({ name, point }) => `${name}: ${quantilesText(point)}\n`),
  ].join("");
}

function quantilesText(point: HistogramPoint): string {
  if (isEmpty(point)) return "No recorded values";
  // The first of the two numbers is that of the latest interval, and baton has no intervals.
  return QUANTILES.map((percent) => `P${percent}(nan,${quantile(point, percent / 100)})`).join(" ");
}

function asJson(singles: readonly Single[], distributions: readonly Distribution[]): string {
  const computed = distributions.map(({ name, point }) => ({
    name,
    values: QUANTILES.map((percent) => ({
      cumulative: isEmpty(point) ? null : quantile(point, percent / 100),
      interval: null,
    })),
  }));
  const histograms = { supported_quantiles: QUANTILES, computed_quantiles: computed };
  return JSON.stringify({ stats: [...singles, ...computed.length > 0 ? [{ histograms }] : []] });
}

function isEmpty({ counts }: HistogramPoint): boolean {
  return counts.every((count) => count === 0);
}

/**
 * An estimate of a quantile, as if the observations of a bucket were evenly spread in it; what is above the last bound
 * counts as that.
 */
function quantile(point: HistogramPoint, part: number): number {
  const upTo = cumulative(point);
  const rank = part * (upTo.at(-1) ?? 0);
  const isIts = (count: number, index: number) => count >= rank && (point.counts[index] ?? 0) > 0;
  const index = upTo.findIndex(isIts);
  const lower = index <= 0 ? 0 : point.bounds[index - 1] ?? 0;
  const upper = point.bounds[index] ?? lower;
  const before = (upTo[index] ?? 0) - (point.counts[index] ?? 0);
  const within = Math.max(0, rank - before) / (point.counts[index] ?? 1);
  return Number((lower + (upper - lower) * within).toPrecision(4));
}
