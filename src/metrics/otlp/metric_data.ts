/**
 * Families in the data model of OTLP. The names are such that the translation of OpenTelemetry to Prometheus
 * (https://opentelemetry.io/docs/specs/otel/compatibility/prometheus_and_openmetrics/) gives back those of /metrics, so
 * that one dashboard reads both; those about the process are of the semantic conventions.
 */
import { type HrTime, ValueType } from "@opentelemetry/api";
import {
  AggregationTemporality,
  type DataPoint,
  DataPointType,
  type Histogram,
  type MetricData,
} from "@opentelemetry/sdk-metrics";
import type { Family, HistogramPoint, Labels } from "../family.ts";

/** Times in milliseconds since 1970. */
export interface Times {
  readonly nowMs: number;
  /** Since when baton has counted for this service. */
  readonly countedSinceMs: number;
  readonly processStartedAtMs: number;
}

interface Naming {
  readonly name: string;
  readonly unit: string;
}

/** Names of the semantic conventions: https://opentelemetry.io/docs/specs/semconv/system/process-metrics/ */
const PROCESS: Readonly<Record<string, Naming>> = {
  process_cpu_seconds_total: { name: "process.cpu.time", unit: "s" },
  process_resident_memory_bytes: { name: "process.memory.usage", unit: "By" },
  process_virtual_memory_bytes: { name: "process.memory.virtual", unit: "By" },
  process_open_fds: { name: "process.unix.file_descriptor.count", unit: "{file_descriptor}" },
  process_threads: { name: "process.thread.count", unit: "{thread}" },
};
const UNITS: Readonly<Record<string, string>> = { seconds: "s", bytes: "By", ratio: "1" };
const PREFIX = "baton_";
const MS_PER_S = 1000;
const NS_PER_MS = 1e6;

export function metricDataOf(families: readonly Family[], times: Times): MetricData[] {
  return families.flatMap((family) => {
    const naming = namingOf(family.name);
    if (naming === null || family.points.length === 0) return [];
    const isOfProcess = !family.name.startsWith(PREFIX);
    const startMs = isOfProcess ? times.processStartedAtMs : times.countedSinceMs;
    const span = { startTime: timeOf(startMs), endTime: timeOf(times.nowMs) };
    return [dataOf(family, naming, span)];
  });
}

/**
 * A name and its unit in OTLP: `baton_gate_seconds` is `baton.gate` in seconds.
 * @returns null for what OTLP says in another way
 */
function namingOf(name: string): Naming | null {
  if (!name.startsWith(PREFIX)) return PROCESS[name] ?? null;
  const words = name.slice(PREFIX.length).replace(/_total$/, "").split("_");
  const unit = UNITS[words.at(-1) ?? ""];
  const own = (unit === undefined ? words : words.slice(0, -1)).join("_");
  return { name: `baton.${own}`, unit: unit ?? "" };
}

function dataOf(
  family: Family,
  { name, unit }: Naming,
  span: Pick<DataPoint<unknown>, "startTime" | "endTime">,
): MetricData {
  const common = {
    descriptor: { name, unit, description: family.help, valueType: ValueType.DOUBLE },
    aggregationTemporality: AggregationTemporality.CUMULATIVE,
  };
  const point = <T>(labels: Labels, value: T) => ({ ...span, attributes: { ...labels }, value });
  if (family.type === "histogram") {
    const dataPoints = family.points.map((each) => point(each.labels, histogramOf(each)));
    return { ...common, dataPointType: DataPointType.HISTOGRAM, dataPoints };
  }
  const dataPoints = family.points.map(({ labels, value }) => point(labels, value));
  return family.type === "counter"
    ? { ...common, dataPointType: DataPointType.SUM, isMonotonic: true, dataPoints }
    : { ...common, dataPointType: DataPointType.GAUGE, dataPoints };
}

function histogramOf({ bounds, counts, sum }: HistogramPoint): Histogram {
  return {
    buckets: { boundaries: [...bounds], counts: [...counts] },
    sum,
    count: counts.reduce((all, each) => all + each, 0),
  };
}

function timeOf(ms: number): HrTime {
  const seconds = Math.floor(ms / MS_PER_S);
  return [seconds, Math.round((ms - seconds * MS_PER_S) * NS_PER_MS)];
}
