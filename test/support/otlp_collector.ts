/**
 * A collector of OpenTelemetry, as far as tests need one: it takes what is sent by OTLP over HTTP in its binary form, and
 * reads of it what is asked about. The numbers of the fields are those of opentelemetry-proto 1.8.
 */
import { createServer, type IncomingHttpHeaders, type RequestListener } from "node:http";
import { createServer as createSecureServer } from "node:https";
import type { AddressInfo } from "node:net";

export interface CollectedSpan {
  readonly trace: string;
  readonly id: string;
  /** Empty: none. */
  readonly parent: string;
  readonly name: string;
  readonly startNs: bigint;
  readonly endNs: bigint;
  readonly attributes: Readonly<Record<string, string>>;
  /** Null: it has not failed. */
  readonly error: string | null;
}

export interface CollectedMetric {
  readonly name: string;
  readonly unit: string;
  readonly kind: "gauge" | "sum" | "histogram";
  /** Values of gauges and sums, by their attributes. */
  readonly values: Readonly<Record<string, number>>;
}

export class OtlpCollector implements AsyncDisposable {
  readonly spans: CollectedSpan[] = [];
  /** Metrics of the latest request. */
  metrics: CollectedMetric[] = [];
  resource: Readonly<Record<string, string>> = {};
  readonly headers: IncomingHttpHeaders[] = [];
  readonly paths: string[] = [];
  /** Answers every request with this. */
  status = 200;
  readonly #server;

  /** @param tls of a certificate for "localhost"; null: without */
  constructor(readonly tls: { readonly key: string; readonly cert: string } | null = null) {
    const listener: RequestListener = (request, response) => {
      const chunks: Uint8Array[] = [];
      request.on("data", (chunk) => chunks.push(chunk));
      request.on("end", () => {
        this.paths.push(request.url ?? "");
        this.headers.push(request.headers);
        if (this.status === 200) this.#take(request.url ?? "", Buffer.concat(chunks));
        response.writeHead(this.status).end();
      });
    };
    this.#server = tls === null ? createServer(listener) : createSecureServer(tls, listener);
  }

  async listen(): Promise<string> {
    const [scheme, host] = this.tls === null ? ["http", "127.0.0.1"] : ["https", "localhost"];
    await new Promise<void>((resolve) => this.#server.listen(0, host, resolve));
    return `${scheme}://${host}:${(this.#server.address() as AddressInfo).port}`;
  }

  #take(path: string, bytes: Uint8Array): void {
    for (const batch of messages(decode(bytes), 1)) {
      this.resource = attributesIn(messages(batch, 1)[0] ?? new Map(), 1);
      for (const scope of messages(batch, 2)) {
        const items = messages(scope, 2);
        if (path.endsWith("/v1/traces")) this.spans.push(...items.map(spanIn));
        else this.metrics = items.map(metricIn);
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

type Message = ReadonlyMap<number, readonly (bigint | Uint8Array)[]>;

/** https://protobuf.dev/programming-guides/encoding/ */
function decode(bytes: Uint8Array): Message {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const fields = new Map<number, (bigint | Uint8Array)[]>();
  let at = 0;
  const varint = () => {
    let value = 0n;
    for (let shift = 0n;; shift += 7n) {
      const byte = BigInt(view.getUint8(at++));
      value |= (byte & 0x7fn) << shift;
      if (byte < 0x80n) return value;
    }
  };
  const readers: Record<number, () => bigint | Uint8Array> = {
    0: varint,
    1: () => view.getBigUint64((at += 8) - 8, true),
    2: () => {
      const length = Number(varint());
      return bytes.subarray(at, at += length);
    },
    5: () => BigInt(view.getUint32((at += 4) - 4, true)),
  };
  while (at < bytes.length) {
    const tag = Number(varint());
    const read = readers[tag & 7];
    if (read === undefined) throw new Error(`Cannot decode wire type ${tag & 7}`);
    fields.set(tag >> 3, [...fields.get(tag >> 3) ?? [], read()]);
  }
  return fields;
}

function messages(message: Message, field: number): Message[] {
  return (message.get(field) ?? []).flatMap((each) => typeof each === "bigint" ? [] : decode(each));
}

function bytesIn(message: Message, field: number): Uint8Array {
  const value = message.get(field)?.[0];
  return value instanceof Uint8Array ? value : new Uint8Array();
}

function text(message: Message, field: number): string {
  return new TextDecoder().decode(bytesIn(message, field));
}

function number(message: Message, field: number): bigint {
  const value = message.get(field)?.[0];
  return typeof value === "bigint" ? value : 0n;
}

function double(message: Message, field: number): number {
  return new Float64Array(new BigUint64Array([number(message, field)]).buffer)[0] ?? NaN;
}

function hex(message: Message, field: number): string {
  return Buffer.from(bytesIn(message, field)).toString("hex");
}

function attributesIn(message: Message, field: number): Record<string, string> {
  return Object.fromEntries(
    messages(message, field).map((pair) => {
      const [value = new Map()] = messages(pair, 2);
      if (value.has(3)) return [text(pair, 1), String(BigInt.asIntN(64, number(value, 3)))];
      if (value.has(4)) return [text(pair, 1), String(double(value, 4))];
      return [text(pair, 1), text(value, 1)];
    }),
  );
}

function spanIn(span: Message): CollectedSpan {
  const [status = new Map()] = messages(span, 15);
  return {
    trace: hex(span, 1),
    id: hex(span, 2),
    parent: hex(span, 4),
    name: text(span, 5),
    startNs: number(span, 7),
    endNs: number(span, 8),
    attributes: attributesIn(span, 9),
    error: number(status, 3) === 2n ? text(status, 2) : null,
  };
}

const KINDS = { gauge: 5, sum: 7, histogram: 9 } as const;

function metricIn(metric: Message): CollectedMetric {
  const [kind = "gauge", field = 0] = Object.entries(KINDS).find(([, each]) => metric.has(each)) ??
    [];
  const data = messages(metric, field)[0] ?? new Map();
  const points = kind === "histogram" ? [] : messages(data, 1);
  return {
    name: text(metric, 1),
    unit: text(metric, 3),
    kind: kind as CollectedMetric["kind"],
    values: Object.fromEntries(
      points.map((point) => [Object.values(attributesIn(point, 7)).join(" "), double(point, 4)]),
    ),
  };
}
