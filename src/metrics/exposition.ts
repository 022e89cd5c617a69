/**
 * The text forms of Prometheus: https://prometheus.io/docs/instrumenting/exposition_formats/ and OpenMetrics 1.0. prom-client
 * writes them. Its own counters and gauges count within one process only, so it gets families as they are, by the way
 * that it has for those of other processes. Imported when it is asked for: no start and no idle baton pays for it.
 */
import { AggregatorRegistry, Registry, type RegistryContentType } from "prom-client";
import { cumulative, type Family, type HistogramPoint } from "./family.ts";

export type TextForm = "prometheus" | "openmetrics";

interface Value {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
  readonly metricName?: string;
}

interface Exposition {
  readonly contentType: string;
  readonly text: string;
}

const CONTENT_TYPE = {
  prometheus: Registry.PROMETHEUS_CONTENT_TYPE,
  openmetrics: Registry.OPENMETRICS_CONTENT_TYPE,
} as const satisfies Record<TextForm, string>;

/** Families as text. A family without points is left out. */
export async function expose(families: readonly Family[], form: TextForm): Promise<Exposition> {
  const metrics = families.filter(({ points }) => points.length > 0)
    .map((family) => ({
      name: familyName(family, form),
      help: family.help,
      type: family.type,
      aggregator: "first",
      values: valuesOf(family, form),
    }));
  const registry = AggregatorRegistry.aggregate<RegistryContentType>([metrics]);
  registry.setContentType(CONTENT_TYPE[form]);
  return { contentType: CONTENT_TYPE[form], text: await registry.metrics() };
}

/** In OpenMetrics a counter's family has the name of its series without the ending. */
function familyName({ name, type }: Family, form: TextForm): string {
  return form === "openmetrics" && type === "counter" ? name.replace(/_total$/, "") : name;
}

function valuesOf(family: Family, form: TextForm): Value[] {
  if (family.type !== "histogram") return [...family.points];
  return family.points.flatMap((point) => bucketsOf(family.name, point, form));
}

function bucketsOf(name: string, point: HistogramPoint, form: TextForm): Value[] {
  const { labels, bounds, sum } = point;
  const upTo = cumulative(point);
  const buckets = upTo.map((value, index) => ({
    metricName: `${name}_bucket`,
    labels: { ...labels, le: boundText(bounds[index], form) },
    value,
  }));
  return [
    ...buckets,
    { metricName: `${name}_sum`, labels, value: sum },
    { metricName: `${name}_count`, labels, value: upTo.at(-1) ?? 0 },
  ];
}

/** OpenMetrics wants a point in the label of a bucket, so that one series has the same name from every writer. */
function boundText(bound: number | undefined, form: TextForm): string {
  if (bound === undefined) return "+Inf";
  return form === "openmetrics" && Number.isInteger(bound) ? `${bound}.0` : String(bound);
}
