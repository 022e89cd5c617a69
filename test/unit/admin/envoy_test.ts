/** Envoy's names in the admin API, and what the API says about itself, without a server. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { AdminParts } from "../../../src/admin/admin_parts.ts";
import { adminApp } from "../../../src/admin/app.ts";

const CONTROL = { door: "control" };
const STARTED = Date.parse("2026-11-29T10:00:00Z");

interface World {
  said: string[];
  ready: boolean;
  isDraining: boolean;
  epochs: number[];
  samples: { name: string; kind: string; labels: object; value: number }[];
}

function world(given: Partial<World> = {}): World {
  return { said: [], ready: true, isDraining: false, epochs: [0], samples: [], ...given };
}

function appOf(at: World, more: Partial<AdminParts> = {}) {
  const note = (what: string) => () => void at.said.push(what);
  const startedAt = new Date(STARTED).toISOString();
  const parts = {
    access: null,
    log: { info: () => {} },
    facts: {
      version: "1.2.3",
      drainTimeMs: 60_000,
      parentShutdownTimeMs: 900_000,
      hotRestartVersion: "1.1",
      nowMs: () => STARTED + 61_400,
    },
    registry: { read: () => at.samples },
    events: null,
    supervisor: {
      summary: () => ({
        name: "web",
        version: "1.2.3",
        epoch: at.epochs.at(-1) ?? null,
        startedAt,
        generations: at.epochs.map((epoch) => ({
          epoch,
          startedAt: new Date(STARTED + 60_000).toISOString(),
        })),
      }),
      snapshot: () => ({
        listeners: ["127.0.0.1:80", "[::1]:80", "udp:127.0.0.1:53", "unix:/run/web.sock"]
          .map((address) => ({ address })),
      }),
      reopenLogs: note("reopen"),
    },
    pod: {
      probes: () => ({ ready: at.ready, started: at.ready, live: true, why: "" }),
      isDraining: at.isDraining,
      failByHand: (isFailed: boolean) => void at.said.push(isFailed ? "fail" : "ok"),
      drain: note("drain"),
      stop: note("stop"),
    },
    ...more,
  } as unknown as AdminParts;
  const app = adminApp(parts);
  return async (method: string, path: string) => {
    const answer = await app.request(path, { method }, CONTROL);
    return { status: answer.status, text: await answer.text(), headers: answer.headers };
  };
}

describe("Envoy's endpoints that change something", () => {
  const table: [path: string, said: string[]][] = [
    ["/healthcheck/fail", ["fail"]],
    ["/healthcheck/ok", ["ok"]],
    ["/drain_listeners", ["drain"]],
    ["/drain_listeners?graceful", ["drain"]],
    ["/drain_listeners?graceful&skip_exit", ["drain"]],
    ["/drain_listeners?inboundonly&bogus=1", ["drain"]],
    ["/quitquitquit", ["stop"]],
    ["/reopen_logs", ["reopen"]],
    ["/reset_counters", []],
  ];
  for (const [path, said] of table) {
    it(`POST ${path} does it, any other method nothing`, async () => {
      const at = world();
      const ask = appOf(at);
      for (const method of ["GET", "PUT", "DELETE"]) {
        const { status, text, headers } = await ask(method, path);
        assert.deepEqual([status, text], [405, `Method ${method} not allowed, POST required.`]);
        assert.equal(headers.get("allow"), "POST");
      }
      assert.deepEqual(at.said, []);
      const { status, text, headers } = await ask("POST", path);
      assert.deepEqual([status, text, at.said], [200, "OK\n", said]);
      assert.equal(headers.get("content-type"), "text/plain; charset=UTF-8");
      assert.equal(headers.get("cache-control"), "no-cache, max-age=0");
      assert.equal(headers.get("x-content-type-options"), "nosniff");
    });
  }
});

describe("GET /ready", () => {
  const states: [given: Partial<World>, status: number, text: string][] = [
    [{}, 200, "LIVE\n"],
    [{ ready: false }, 503, "INITIALIZING\n"],
    [{ ready: false, epochs: [] }, 503, "PRE_INITIALIZING\n"],
    [{ isDraining: true }, 503, "DRAINING\n"],
    [{ isDraining: true, ready: false, epochs: [] }, 503, "DRAINING\n"],
  ];
  for (const [given, status, text] of states) {
    it(`${JSON.stringify(given)}: ${text.trim()}`, async () => {
      for (const method of ["GET", "POST", "PUT"]) {
        const answer = await appOf(world(given))(method, "/ready");
        assert.deepEqual([answer.status, answer.text], [status, text], method);
      }
    });
  }
});

describe("what Envoy's other endpoints print", () => {
  it("/server_info, /hot_restart_version", async () => {
    const ask = appOf(world({ epochs: [0, 3] }));
    const { text, headers } = await ask("GET", "/server_info");
    assert.equal(headers.get("content-type"), "application/json");
    assert.deepEqual(JSON.parse(text), {
      version: "1.2.3",
      state: "LIVE",
      uptime_current_epoch: "1s",
      uptime_all_epochs: "61s",
      hot_restart_version: "1.1",
      command_line_options: {
        restart_epoch: 3,
        drain_time: "60s",
        parent_shutdown_time: "900s",
      },
      node: { id: "", cluster: "web", user_agent_name: "baton" },
    });
    assert.match(text, /^\{\n "version"/, "laid out as Envoy does it");
    assert.equal((await ask("GET", "/hot_restart_version")).text, "1.1");
  });

  it("/listeners, as text and as JSON", async () => {
    const ask = appOf(world());
    const { text } = await ask("GET", "/listeners");
    assert.match(text, /^127\.0\.0\.1:80::127\.0\.0\.1:80\n\[::1\]:80::\[::1\]:80\n/);
    const json = JSON.parse((await ask("GET", "/listeners?format=json")).text);
    assert.deepEqual(
      json.listener_statuses.map((each: { local_address: object }) => each.local_address),
      [
        { socket_address: { address: "127.0.0.1", port_value: 80 } },
        { socket_address: { address: "::1", port_value: 80 } },
        { socket_address: { protocol: "UDP", address: "127.0.0.1", port_value: 53 } },
        { pipe: { path: "/run/web.sock" } },
      ],
    );
  });

  it("/help, and the same for a path that there is not", async () => {
    const ask = appOf(world());
    const { text } = await ask("GET", "/help");
    assert.match(text, /^admin commands are:\n {2}\//);
    assert.match(
      text,
      /\n {2}\/healthcheck\/fail \(POST\): cause the server to fail health checks\n/,
    );
    const other = await ask("GET", "/nonsense");
    assert.deepEqual([other.status, other.text], [404, `invalid path. ${text}`]);
    assert.match((await ask("GET", "/v1/nonsense")).text, /^\{"error":/);
  });
});

describe("/openapi.json", () => {
  it("has every route, with its parameters, its replies, and who may use it", async () => {
    const { text } = await appOf(world())("GET", "/openapi.json");
    const { openapi, paths } = JSON.parse(text);
    assert.equal(openapi, "3.1.0");
    const help = (await appOf(world())("GET", "/help")).text;
    const listed = help.split("\n").flatMap((line) => /^ {2}(\/[^ :]*)/.exec(line)?.[1] ?? []);
    assert.deepEqual(Object.keys(paths).sort(), [...new Set(listed)].sort());
    const { post } = paths["/v1/canary"];
    assert.deepEqual(post.parameters, [{
      name: "percent",
      in: "query",
      required: true,
      schema: { type: "number", minimum: 0, maximum: 100 },
    }]);
    assert.deepEqual(post.security, [{ token: [] }, {}]);
    assert.equal(paths["/v1/status"].get.security, undefined);
    assert.ok(post.responses["409"].content["application/json"].schema.properties.result);
    const ids = Object.values(paths as Record<string, Record<string, { operationId: string }>>)
      .flatMap((methods) => Object.values(methods).map(({ operationId }) => operationId));
    assert.equal(new Set(ids).size, ids.length, "each operation has a name of its own");
  });
});
