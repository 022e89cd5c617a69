/** The options of what baton sends about a service (docs/metrics.md). */
import { parsed, positiveTime, text } from "../option_makers.ts";
import { parseOtlpUrl } from "../values/otlp_url.ts";

// deno-fmt-ignore: one option per entry, so that it reads as a table
export const METRICS = {
  otlp: parsed("URL", "Send metrics, and a trace of each reload, to an OpenTelemetry collector by " +
    "OTLP over HTTP: http://127.0.0.1:4318. /v1/metrics and /v1/traces are appended. Variables " +
    "OTEL_... are the server's; baton does not use them.", parseOtlpUrl),
  otlpIntervalMs: positiveTime(60_000, "Time from one sending of metrics to the next."),
  otlpHeadersFile: text("FILE", "File with headers for --otlp, one NAME: VALUE a line, such as " +
    "the key of an account; read again for each request."),
};
