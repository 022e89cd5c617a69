/** The clients of one side of `make bench-envoy`: `bun clients_main.ts ORDER` (lanes.ts), until SIGTERM or the limit. */
import process from "node:process";
import * as v from "valibot";
import { Load } from "../../../test/support/load.ts";
import type { Tally } from "../../../test/support/tally.ts";
import { H2Load } from "../peers/h2_load.ts";
import { type ClientOrder, type Lane, type LaneEnd, ORDER, STREAMS, TIMEOUT_MS } from "./lanes.ts";

const MOST_REQUESTS = 10_000_000;

interface Running {
  readonly lane: Lane;
  readonly startedMs: number;
  stop(): Promise<Tally>;
}

function start({ port, tlsPort, limitMs }: ClientOrder, lane: Lane): Running {
  const { kind, clients, thinkTimeMs, path } = lane;
  const common = { thinkTimeMs, path, timeoutMs: TIMEOUT_MS };
  if (kind === "new" || kind === "kept") {
    const mode = kind === "kept" ? "keep-alive" : "close";
    const bounds = { maxRequests: MOST_REQUESTS, maxDurationMs: limitMs };
    const load = new Load({ ...common, ...bounds, port, mode, clients }).start();
    return { lane, startedMs: Date.now(), stop: () => load.stop() };
  }
  const [tls, at] = kind === "h2tls" ? [true, tlsPort] : [false, port];
  const load = new H2Load({
    ...common,
    port: at,
    tls,
    connections: clients,
    streams: STREAMS,
    onAnswer: () => {},
  });
  return { lane, startedMs: Date.now(), stop: () => load.stop() };
}

async function endOf({ lane: { name }, startedMs, stop }: Running): Promise<LaneEnd> {
  const { ok, lost, maxLatencyMs, errors } = await stop();
  const shown = errors.map(({ cause, detail, atMs }) => ({
    cause,
    detail,
    wallMs: startedMs + atMs,
  }));
  return { name, ok, lost, slowestMs: maxLatencyMs, errors: shown };
}

const order = v.parse(v.pipe(v.string(), v.parseJson(), ORDER), process.argv[2]);
const running = order.lanes.map((lane) => start(order, lane));
await new Promise<void>((resolve) => {
  process.once("SIGTERM", resolve);
  setTimeout(resolve, order.limitMs).unref();
});
const ends = await Promise.all(running.map(endOf));
process.stdout.write(`${JSON.stringify(ends)}\n`);
process.exit(0);
