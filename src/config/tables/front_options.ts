/**
 * The keys of the table `[front]` in a configuration file: what `baton init envoy` makes of a front (docs/envoy.md).
 * `baton run` reads none of them but `eds`.
 */
import {
  choice,
  flag,
  int,
  list,
  matching,
  parsed,
  percent,
  positiveTime,
  text,
  time,
} from "../option_makers.ts";
import { parseFrontCheck, parseRate, parseRoute, parseSize, parseSticky } from "../front/values.ts";
import { parseOwnAddress } from "../values/listen_spec.ts";

const MOST = 1_000_000;
/** Kinds of load balancing that follow weights: what a canary needs. */
const WEIGHTED = ["round-robin", "ring-hash", "maglev"] as const;

/** A share of 100. */
function share(value: number, help: string) {
  return { ...percent(help), default: value };
}

function on(help: string) {
  return { ...flag(help), default: true };
}

// deno-fmt-ignore: one key per entry, so that it reads as a table
export const FRONT_CLIENTS = {
  listen: parsed("ADDR:PORT", "Address for clients. By default *:8443 with a certificate, *:8080 without.",
    (value) => parseOwnAddress(value, "listen =")),
  certificate: text("FILE", "Certificate chain for TLS, in PEM form. With it clients have HTTP/1.1 and HTTP/2 over TLS."),
  privateKey: text("FILE", "Its private key."),
  http3: flag("Offer HTTP/3 at the same port over UDP, and say so to clients (alt-svc)."),
  websockets: on("Let clients upgrade to WebSockets, over HTTP/1.1 and HTTP/2."),
  grpcWeb: flag("Translate gRPC-Web of browsers to gRPC."),
  requestTimeMs: time(0, "Longest time for a whole answer. 0: none. Envoy's own 15 s would cut long answers and gRPC streams."),
  idleStreamTimeMs: time(300_000, "A request or WebSocket on which nothing moves for this time is ended. 0: never."),
  idleConnectionTimeMs: time(3_600_000, "A client's connection without a request is closed after this time. 0: never."),
  trustedProxies: int(0, [0, 100], "How many proxies before Envoy are trusted in X-Forwarded-For."),
  accessLog: text("FILE", "Write a line for each request: a file, or /dev/stdout."),
};

// deno-fmt-ignore: one key per entry, so that it reads as a table
export const FRONT_LIMITS = {
  maxConnections: int(50_000, [1, MOST], "Most connections of clients; one more is closed at once."),
  /** Bytes. */
  maxHeap: parsed("SIZE", "Envoy's own memory: at 95 % it gives some back, at 98 % it answers 503.", parseSize),
  rateLimit: parsed("N/TIME", "Most requests in a time, over all clients: 100/s, 5000/1m. One more is answered 429.", parseRate),
};

// deno-fmt-ignore: one key per entry, so that it reads as a table
export const FRONT_HEALTH = {
  healthPath: parsed("PATH", "Envoy answers health checks of a balancer before it at this path.",
    matching(/^\/[\x21-\x7e]*$/, "a path that begins with /")),
  healthMode: choice(["own", "pass", "cached", "cluster"], "own", "What that answer says: own, that Envoy runs; pass, what the server answers; cached, " +
    "the same, asked once in health_cache; cluster, whether health_minimum of the endpoints are healthy."),
  healthCacheMs: positiveTime(2_000, "How long an answer is good for, with health_mode = \"cached\"."),
  healthMinimum: share(60, "With health_mode = \"cluster\": the least share of healthy endpoints."),
};

// deno-fmt-ignore: one key per entry, so that it reads as a table
export const FRONT_SERVERS = {
  upstream: choice(["http1", "http2"], "http1", "What the server speaks. gRPC needs http2."),
  loadBalancing: choice([...WEIGHTED, "least-request", "random"], "round-robin", "Which endpoint gets a request. --canary and --ramp " +
    "need one that follows weights: round-robin, ring-hash or maglev."),
  sticky: parsed("KIND", "Keep a client at one endpoint, with ring-hash or maglev: header:NAME, cookie:NAME or address.", parseSticky),
  connectTimeMs: positiveTime(1_000, "Longest time for a connection to the server."),
  /** Shorter than gunicorn's 2 s: a request on a connection that the server is closing is lost. */
  upstreamIdleTimeMs: positiveTime(1_000, "An idle connection to the server is closed after this time. Keep it shorter than the server's own " +
    "keep-alive time: a request that meets the server's close is lost."),
  panicPercent: share(50, "With fewer healthy endpoints than this all get requests, healthy or not. 0%: never."),
  retryOn: parsed("WHEN", "Send a request again at: connect-failure, refused-stream, reset-before-request, reset, 5xx (a list of Envoy's). " +
    "Without it none is: a POST could run twice.", matching(/^[a-z0-9-]+(,[a-z0-9-]+)*$/, "words with commas between them")),
  retries: int(1, [1, 10], "How often, with retry_on."),
  /** The one of the service itself has all other requests. */
  routes: list("[HOST]/PREFIX=CLUSTER", "Requests for other services behind the same front: /api/=api leads to cluster api, whose " +
    "endpoints are in api.yaml beside the other files, written by its own baton (--front eds:DIR/api.yaml).",
    (texts) => texts.map(parseRoute)),
};

// deno-fmt-ignore: one key per entry, so that it reads as a table
export const FRONT_CHECKS = {
  check: parsed("CHECK", "Envoy checks each endpoint itself: http:/PATH, tcp, or grpc[:SERVICE]. An answer with " +
    "x-envoy-immediate-health-check-fail then takes an endpoint out at once; without a check Envoy ignores it.", parseFrontCheck),
  checkIntervalMs: positiveTime(1_000, "Time between two checks."),
  checkTimeoutMs: positiveTime(1_000, "A check without an answer after this time has failed."),
  unhealthyAfter: int(3, [1, 1000], "So many time-outs in a row take an endpoint out. A wrong answer does so at once."),
  healthyAfter: int(2, [1, 1000], "So many passed checks bring it back."),
  checkIdentity: parsed("NAME", "An http check passes only where x-envoy-upstream-healthchecked-cluster begins with this: " +
    "another service at the same address is no endpoint.", matching(/^[\x21-\x7e]+$/, "printable ASCII without spaces")),
};

// deno-fmt-ignore: one key per entry, so that it reads as a table
export const FRONT_EJECTION = {
  ejectAfter: int(0, [0, MOST], "So many 5xx answers in a row take an endpoint out. 0: never."),
  ejectPercent: share(50, "Most of the endpoints that may be out so. Envoy's own 10 % never takes one of two."),
  ejectTimeMs: positiveTime(30_000, "An endpoint is out for this time, and longer each time."),
};

// deno-fmt-ignore: one key per entry, so that it reads as a table
export const FRONT_BREAKERS = {
  breakerConnections: int(10_000, [1, MOST], "Most connections to the servers, WebSockets included."),
  breakerRequests: int(10_000, [1, MOST], "Most requests at once, WebSockets and streams included. Envoy's own 1024 is soon " +
    "reached by WebSockets. One more is answered 503."),
  breakerPending: int(1_024, [1, MOST], "Most requests that wait for a connection."),
};

// deno-fmt-ignore: one key per entry, so that it reads as a table
export const FRONT_PLACE = {
  envoy: { ...text("PROGRAM", "Envoy itself: a path, or a name in PATH."), default: "envoy" },
};
