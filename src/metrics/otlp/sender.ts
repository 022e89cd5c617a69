/**
 * Sends metrics and spans by OTLP over HTTP, in its binary form, with the exporter of the OpenTelemetry SDK, which repeats
 * within its time limit what was refused for a while. Imported when --otlp is given.
 *
 * Nothing is read from OTEL_... in the environment: that is the server's, and may hold its keys.
 */
import { ROOT_CONTEXT, type SpanContext, SpanStatusCode, trace } from "@opentelemetry/api";
import { OTLPExporterBase } from "@opentelemetry/otlp-exporter-base";
import {
  createOtlpHttpExportDelegate,
  httpAgentFactoryFromOptions,
} from "@opentelemetry/otlp-exporter-base/node-http";
import {
  MetricsExporterMetricsHelper,
  ProtobufMetricsSerializer,
  ProtobufTraceSerializer,
  TraceExporterMetricsHelper,
} from "@opentelemetry/otlp-transformer";
import { type Resource, resourceFromAttributes } from "@opentelemetry/resources";
import type { ResourceMetrics } from "@opentelemetry/sdk-metrics";
import { AlwaysOnSampler, type ReadableSpan, TracerProvider } from "@opentelemetry/sdk-trace";
import type { Family } from "../family.ts";
import { metricDataOf, type Times } from "./metric_data.ts";
import type { Attributes, PlannedSpan } from "./reload_traces.ts";

/** Time limit of one export, with all its repetitions. */
const TIMEOUT_MS = 10_000;
const CONCURRENCY = 4;
/** Traces that are remembered: reloads whose old generation may still be on its way out. */
const MAX_TRACES = 16;
const SCOPE = "baton";

interface Destination {
  /** Address of the receiver, without the path of the signal: http://127.0.0.1:4318 */
  readonly url: string;
  /** Headers, read for each request again. */
  readonly headers: () => Readonly<Record<string, string>>;
  /** Certificates of the authorities that are trusted, as PEM; null: those that the runtime has. */
  readonly authorities: string | null;
}

export class Sender {
  readonly #resource: Resource;
  readonly #metrics: OTLPExporterBase<ResourceMetrics>;
  readonly #spans: OTLPExporterBase<ReadableSpan[]>;
  readonly #ended: ReadableSpan[] = [];
  readonly #provider: TracerProvider;
  /** Root spans by the number of the reload. */
  readonly #roots = new Map<number, SpanContext>();

  constructor(destination: Destination, resource: Attributes, readonly version: string) {
    this.#resource = resourceFromAttributes({ ...resource });
    const options = (path: string) => optionsFor(destination, path, version);
    this.#metrics = new OTLPExporterBase(createOtlpHttpExportDelegate(
      options("v1/metrics"),
      ProtobufMetricsSerializer,
      "otlp_http_metric_exporter",
      MetricsExporterMetricsHelper,
      undefined,
    ));
    this.#spans = new OTLPExporterBase(createOtlpHttpExportDelegate(
      options("v1/traces"),
      ProtobufTraceSerializer,
      "otlp_http_span_exporter",
      TraceExporterMetricsHelper,
      undefined,
    ));
    const done = () => Promise.resolve();
    this.#provider = new TracerProvider({
      resource: this.#resource,
      sampler: new AlwaysOnSampler(),
      spanProcessors: [{
        onStart: () => {},
        onEnd: (span) => void this.#ended.push(span),
        forceFlush: done,
        shutdown: done,
      }],
    });
  }

  /** @throws {Error} when it was not accepted in time */
  sendMetrics(families: readonly Family[], times: Times): Promise<void> {
    return exported(this.#metrics, {
      resource: this.#resource,
      scopeMetrics: [{
        scope: { name: SCOPE, version: this.version },
        metrics: metricDataOf(families, times),
      }],
    });
  }

  /** @throws {Error} when they were not accepted in time */
  sendSpans(planned: readonly PlannedSpan[]): Promise<void> {
    for (const span of planned) this.#make(span);
    return exported(this.#spans, this.#ended.splice(0));
  }

  #make({ reload, phase, startMs, endMs, attributes, error }: PlannedSpan): void {
    const root = this.#roots.get(reload);
    const context = root === undefined ? ROOT_CONTEXT : trace.setSpanContext(ROOT_CONTEXT, root);
    const tracer = this.#provider.getTracer(SCOPE, this.version);
    const span = tracer.startSpan(
      phase ?? "reload",
      { startTime: new Date(startMs), attributes: { ...attributes } },
      context,
    );
    if (phase === null) {
      this.#roots.set(reload, span.spanContext());
      const [oldest] = this.#roots.keys();
      if (this.#roots.size > MAX_TRACES && oldest !== undefined) this.#roots.delete(oldest);
    }
    if (error !== null) span.setStatus({ code: SpanStatusCode.ERROR, message: error });
    span.end(new Date(endMs));
  }
}

function optionsFor({ url, headers, authorities }: Destination, path: string, version: string) {
  const base = url.endsWith("/") ? url : `${url}/`;
  return {
    url: new URL(path, base).href,
    // What `headers()` throws is the outcome of that request.
    headers: () =>
      new Promise<Record<string, string>>((resolve) =>
        resolve({ ...headers(), "Content-Type": "application/x-protobuf" })
      ),
    timeoutMillis: TIMEOUT_MS,
    concurrencyLimit: CONCURRENCY,
    compression: "none" as const,
    // No connection stays open between two exports.
    agentFactory: httpAgentFactoryFromOptions({
      keepAlive: false,
      ...authorities !== null && { ca: authorities },
    }),
    userAgent: `baton/${version}`,
  };
}

function exported<T>(exporter: OTLPExporterBase<T>, items: T): Promise<void> {
  return new Promise((resolve, reject) => {
    // The result 0 is success.
    exporter.export(items, ({ code, error }) => code === 0 ? resolve() : reject(withStatus(error)));
  });
}

/** The message of a refusal is the reason phrase, which may be any text, or none; the status is beside it. */
function withStatus(error: (Error & { code?: unknown }) | undefined): Error | undefined {
  return typeof error?.code === "number"
    ? new Error(`it answers ${`${error.code} ${error.message}`.trim()}`)
    : error;
}
