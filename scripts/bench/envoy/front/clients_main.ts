/** The clients of a front: `bun clients_main.ts ORDER` (client_lines.ts), until SIGTERM or the limit. All speak TLS. */
import process from "node:process";
import { createInterface } from "node:readline";
import * as v from "valibot";
import { Load } from "../../../../test/support/load.ts";
import type { Tally } from "../../../../test/support/tally.ts";
import { H2Load } from "../../peers/h2_load.ts";
import { FRONT_ORDER, type FrontLane } from "./client_lines.ts";
import { Echoes, grpcStreams, openWebSocket, printLine } from "./echoes.ts";

const CLIENTS = 3;
const STREAMS = 3;
const TIMEOUT_MS = 10_000;
const MOST_REQUESTS = 10_000_000;

interface Running {
  readonly lane: () => FrontLane;
  stop(): Promise<unknown>;
}

const order = v.parse(v.pipe(v.string(), v.parseJson(), FRONT_ORDER), process.argv[2]);
const seen = new Set<string>();

function onAnswer(body: string): void {
  const version = /\bversion=(\S+)/.exec(body)?.[1];
  if (version === undefined || seen.has(version)) return;
  seen.add(version);
  printLine({ kind: "version", version, atMs: performance.timeOrigin + performance.now() });
}

/** @param connections that it needs, if none is ended */
function laneOf(name: string, tally: Tally, connections: number): FrontLane {
  const { ok, lost, maxLatencyMs, errors } = tally;
  const ended = Math.max(0, tally.connections - connections);
  const shown = errors.slice(0, 3).map(({ cause, detail }) => `${cause}: ${detail}`);
  return { name, ok, lost, ended, slowestMs: maxLatencyMs, errors: shown };
}

function http(name: string, mode: "close" | "keep-alive", thinkTimeMs: number): Running {
  const load = new Load({
    port: order.port,
    tls: true,
    mode,
    thinkTimeMs,
    clients: CLIENTS,
    timeoutMs: TIMEOUT_MS,
    maxRequests: MOST_REQUESTS,
    maxDurationMs: order.limitMs,
    onAnswer,
  }).start();
  // One for each request is nothing that the other side has ended.
  const needed = () => mode === "close" ? load.tally.connections : CLIENTS;
  return { lane: () => laneOf(name, load.tally, needed()), stop: () => load.stop() };
}

function http2(): Running {
  const load = new H2Load({
    port: order.port,
    tls: true,
    connections: 1,
    streams: STREAMS,
    thinkTimeMs: 4,
    timeoutMs: TIMEOUT_MS,
    onAnswer,
  });
  return { lane: () => laneOf("h2-TLS", load.tally, 1), stop: () => load.stop() };
}

function echoes(lane: Echoes): Running {
  return { lane: () => lane.lane, stop: () => lane.stop() };
}

const running = order.protocol === "grpc"
  ? [echoes(new Echoes("gRPC streams", CLIENTS, await grpcStreams(order.port)))]
  : [
    http("new", "close", 8),
    http("kept", "keep-alive", 4),
    http2(),
    echoes(new Echoes("WebSockets", CLIENTS, openWebSocket(order.port))),
  ];

const print = (isLast: boolean) =>
  printLine({ kind: "lanes", isLast, lanes: running.map(({ lane }) => lane()) });
createInterface(process.stdin).on("line", () => print(false));
await new Promise<void>((resolve) => {
  process.once("SIGTERM", resolve);
  setTimeout(resolve, order.limitMs).unref();
});
await Promise.all(running.map(({ stop }) => stop()));
print(true);
process.exit(0);
