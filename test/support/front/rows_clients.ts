/** Lines about clients, limits and health checks of a balancer before Envoy. */
import { certificateLines } from "./trial_certificate.ts";
import {
  ask,
  askAtOnce,
  askTimes,
  Kept,
  requestText,
  statuses,
  tlsProtocol,
} from "./front_client.ts";
import type { Place } from "./front_trial.ts";
import { happens, type Row } from "./row.ts";

const UPGRADE = {
  headers: {
    connection: "Upgrade",
    upgrade: "websocket",
    "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
    "sec-websocket-version": "13",
  },
};
/** The client's preface and an empty SETTINGS frame. */
const HTTP2 = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
/** The frame's length and type. */
const GOAWAY = "\0\0\x08\x07";
/** SETTINGS_ENABLE_CONNECT_PROTOCOL = 1 (RFC 8441). */
const ENABLE_CONNECT = "\0\x08\0\0\0\x01";

function first({ servers }: Place) {
  const [server] = servers;
  if (server === undefined) throw new Error("no server");
  return server;
}

/** @returns headers that the server saw */
async function seenBy(place: Place, headers: Readonly<Record<string, string>>, method = "GET") {
  await ask(place.port, "/seen", { headers, method });
  return first(place).requests.find(({ path }) => path === "/seen")?.headers ?? {};
}

const CHECKED = 'health_path = "/front"\ncheck = "http:/healthz"\ncheck_interval = "50ms"';

/** One of two endpoints fails its check. @returns whether the front itself then answers with `status` */
async function halfIsOut(place: Place, twin: Promise<unknown> | null, status: number) {
  first(place).reply = ({ path }) => path === "/healthz" ? { status: 503 } : {};
  const { trial, name, port } = place;
  await happens(null, "one is out", async () => (await trial.failed(name)).length === 1);
  return await happens(
    twin,
    `the front answers ${status}`,
    async () => (await ask(port, "/front")).status === status,
  );
}

/** Three requests at once, which are not answered. @returns whether one of them gets 503 from Envoy */
async function oneIsRefused(place: Place, twin: Promise<unknown> | null): Promise<boolean> {
  first(place).reply = () => "hang";
  let refused = 0;
  for (let request = 0; request < 3; request++) {
    void ask(place.port).then(({ status }) => refused += status === 503 ? 1 : 0);
  }
  return await happens(twin, "one is refused", () => refused === 1);
}

function sick(place: Place) {
  for (const server of place.servers) {
    server.reply = ({ path }) => path === "/healthz" ? { status: 503 } : {};
  }
}

const ENFORCING = ["filter_enabled", "filter_enforced"];

export const CLIENT_ROWS: readonly Row[] = [
  {
    line: "",
    removed: "ipv4_compat",
    rest: 'listen = "*:1"',
    look: async (place) => {
      // A listener of another row may have the same number for IPv4.
      await ask(place.port);
      return first(place).requests.length;
    },
    seen: { with: 1, without: 0 },
  },
  {
    line: "",
    removed: "timeout",
    isSlow: true,
    look: async (place) => {
      first(place).reply = () => ({ delayMs: 16_000 });
      return (await ask(place.port)).status;
    },
    seen: { with: 200, without: 504 },
  },
  {
    line: certificateLines(),
    look: ({ port }) => tlsProtocol(port),
    seen: { with: "h2", without: "no TLS" },
  },
  {
    line: "http3 = true",
    rest: certificateLines(),
    // That clients of HTTP/3 are answered is in init_envoy_test.ts.
    look: async ({ trial, name }) => {
      const { configs } = JSON.parse(await trial.admin("/config_dump")) as { configs: unknown[] };
      return JSON.stringify(configs).includes(`"${name}/clients-http3"`);
    },
    seen: { with: true, without: false },
  },
  {
    line: "websockets = true",
    instead: "websockets = false",
    look: async (place) => {
      first(place).reply = () => "upgrade";
      return (await ask(place.port, "/", UPGRADE)).status;
    },
    seen: { with: 101, without: 403 },
  },
  {
    line: "",
    removed: "allow_connect",
    look: async ({ port }, twin) => {
      const kept = new Kept(port, Buffer.from(HTTP2, "latin1"));
      const found = await happens(
        twin,
        "settings came",
        () => kept.received.includes(ENABLE_CONNECT),
      );
      kept.close();
      return found;
    },
    seen: { with: true, without: false },
  },
  {
    line: "grpc_web = true",
    look: async (place) =>
      (await seenBy(place, { "content-type": "application/grpc-web+proto" }, "POST"))[
        "content-type"
      ],
    seen: { with: "application/grpc", without: "application/grpc-web+proto" },
  },
  {
    line: 'request_time = "100ms"',
    look: async (place, twin) => {
      first(place).reply = () => "hang";
      let status = 0;
      void ask(place.port).then((got) => status = got.status);
      return await happens(twin, "it is answered 504", () => status === 504);
    },
    seen: { with: true, without: false },
  },
  {
    line: 'idle_stream_time = "200ms"',
    look: async (place, twin) => {
      first(place).reply = () => "upgrade";
      const kept = new Kept(place.port, requestText("/", UPGRADE));
      const ended = await happens(twin, "the silent WebSocket has ended", () => kept.isClosed);
      kept.close();
      return ended;
    },
    seen: { with: true, without: false },
  },
  {
    line: 'idle_connection_time = "200ms"',
    // HTTP/1.1 connections live for another 5 s, as long as clients of HTTP/2 have after the first GOAWAY.
    look: async ({ port }, twin) => {
      const kept = new Kept(port, Buffer.from(HTTP2, "latin1"));
      // A client that takes longer for its first bytes has its connection closed without one.
      const isEnding = () => kept.isClosed || kept.received.includes(GOAWAY);
      const ended = await happens(twin, "the idle connection ends", isEnding);
      kept.close();
      return ended;
    },
    seen: { with: true, without: false },
  },
  {
    line: "trusted_proxies = 1",
    look: async (place) =>
      (await seenBy(place, { "x-forwarded-for": "203.0.113.7" }))["x-envoy-external-address"] ?? "",
    seen: { with: "203.0.113.7", without: "127.0.0.1" },
  },
  {
    line: "",
    removed: "use_remote_address",
    look: async (place) => {
      const given = "203.0.113.7";
      const headers = await seenBy(place, { "x-forwarded-for": given });
      return headers["x-forwarded-for"]?.startsWith(`${given},`);
    },
    seen: { with: true, without: false },
  },
  {
    line: "",
    removed: "server_header_transformation",
    look: async (place) => {
      first(place).reply = () => ({ headers: { server: "its-own" } });
      return (await ask(place.port)).headers["server"];
    },
    seen: { with: "its-own", without: "envoy" },
  },
  {
    line: "",
    removed: "accept_http_10",
    look: async ({ port }) => (await ask(port, "/", { version: "1.0" })).status,
    seen: { with: 200, without: 426 },
  },
  {
    line: 'access_log = "/tmp/replaced"',
    look: async ({ port, name, trial }, twin) => {
      await ask(port, `/logged-${name}`);
      return await happens(
        twin,
        "the log has a line",
        () => trial.file("access.log").includes(`/logged-${name} `),
      );
    },
    seen: { with: true, without: false },
  },
  {
    line: 'rate_limit = "2/1h"',
    look: async ({ port }) => statuses(await askTimes(4, port)),
    seen: { with: "200 200 429 429", without: "200 200 200 200" },
  },
  ...ENFORCING.map((removed): Row => ({
    line: "",
    removed,
    rest: 'rate_limit = "2/1h"',
    look: async ({ port }) => statuses(await askTimes(4, port)),
    seen: { with: "200 200 429 429", without: "200 200 200 200" },
  })),
  {
    line: 'routes = ["/api/=api-@"]',
    look: async ({ port }) => (await ask(port, "/api/x")).body.replace(/-o.*/, ""),
    seen: { with: "api", without: "s0" },
  },
  {
    line: 'routes = ["api.test/=api-@"]',
    look: async ({ port }) => {
      const at = (host: string) => ask(port, "/", { headers: { host } });
      const all = [await at("api.test"), await at("api.test:80"), await at("front.test")];
      return all.map(({ body }) => body.replace(/-o.*/, "")).join(" ");
    },
    seen: { with: "api api s0", without: "s0 s0 s0" },
  },
  {
    line: 'health_path = "/healthz"',
    look: async (place) => {
      sick(place);
      return `${(await ask(place.port, "/healthz")).status} ${first(place).count("/healthz")}`;
    },
    seen: { with: "200 0", without: "503 1" },
  },
  {
    line: 'health_mode = "pass"',
    rest: 'health_path = "/healthz"',
    look: async (place) => {
      sick(place);
      return (await ask(place.port, "/healthz")).status;
    },
    seen: { with: 503, without: 200 },
  },
  {
    line: 'health_mode = "cached"\nhealth_cache = "10m"',
    instead: 'health_mode = "pass"',
    rest: 'health_path = "/healthz"',
    look: async (place) => {
      await ask(place.port, "/healthz");
      sick(place);
      return (await ask(place.port, "/healthz")).status;
    },
    seen: { with: 200, without: 503 },
  },
  {
    line: 'health_cache = "50ms"',
    instead: 'health_cache = "10m"',
    rest: 'health_path = "/healthz"\nhealth_mode = "cached"',
    look: async (place, twin) => {
      await ask(place.port, "/healthz");
      sick(place);
      return await happens(
        twin,
        "the cached answer is old",
        async () => (await ask(place.port, "/healthz")).status === 503,
      );
    },
    seen: { with: true, without: false },
  },
  {
    line: 'health_mode = "cluster"',
    rest: CHECKED,
    servers: 2,
    look: async (place, twin) => await halfIsOut(place, twin, 503),
    seen: { with: true, without: false },
  },
  {
    line: 'health_minimum = "90%"',
    instead: 'health_minimum = "40%"',
    rest: `${CHECKED}\nhealth_mode = "cluster"`,
    servers: 2,
    look: async (place, twin) => await halfIsOut(place, twin, 503),
    seen: { with: true, without: false },
  },
  {
    line: "breaker_requests = 2",
    look: (place, twin) => oneIsRefused(place, twin),
    seen: { with: true, without: false },
  },
  {
    line: "breaker_pending = 1",
    rest: "breaker_connections = 1",
    look: async (place, twin) => {
      // A connection that is there already; the second request waits for it, and the third one has no place to wait.
      await ask(place.port);
      return await oneIsRefused(place, twin);
    },
    seen: { with: true, without: false },
  },
  {
    line: "breaker_connections = 1",
    look: async (place, twin) => {
      const { trial, name, port } = place;
      first(place).reply = () => "hang";
      void askAtOnce(3, port);
      const pending = `cluster.${name}.upstream_rq_pending_active: 2`;
      await happens(
        null,
        "all are at the server, or wait",
        twin === null
          ? async () =>
            (await trial.admin(`/stats?filter=cluster.${name}.upstream_rq_pending`)).includes(
              pending,
            )
          : () => first(place).beginnings.length === 3,
      );
      return first(place).beginnings.length;
    },
    seen: { with: 1, without: 3 },
  },
];
