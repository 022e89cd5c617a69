/**
 * Promise: an operator can take a service out of its balancer by hand, and that outlives reloads, upgrades and a baton
 * that is killed; and the probe port answers health checks in Envoy's three modes.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { askAdmin } from "../support/admin_client.ts";
import { type Baton, startBaton } from "../support/baton.ts";
import { freePort } from "../support/free_port.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { alive, killTree } from "../support/proc.ts";
import { fixtureCommand } from "../support/servers.ts";
import { tempDir } from "../support/temp_dir.ts";
import { waitUntil } from "../support/wait_until.ts";

const OPTIONS = { timeout: TEST_TIMEOUT_MS };
const FAIL = "x-envoy-immediate-health-check-fail";
const CLUSTER = "x-envoy-upstream-healthchecked-cluster";

async function begin(setting: string, flags: readonly string[] = []) {
  const probes = { port: await freePort() };
  const port = await freePort();
  const baton = await startBaton({
    command: fixtureCommand("node_http.js"),
    env: { PORT: String(port) },
    flags: ["--probe-listen", `127.0.0.1:${probes.port}`, "--probe-health", setting, ...flags],
  });
  return { baton, probes, port };
}

const hand = (baton: Baton, word: "fail" | "ok") =>
  askAdmin({ socketPath: baton.socketPath }, "POST", `/healthcheck/${word}`);
const ready = async (baton: Baton) =>
  (await askAdmin({ socketPath: baton.socketPath }, "GET", "/ready")).text.trim();

describe("health that was failed by hand", () => {
  test("stays so over a reload, and upgrades by a child and in place", OPTIONS, async () => {
    const { baton, probes, port } = await begin("/hc");
    await using _running = baton;
    const check = async () => {
      const { status, headers } = await askAdmin(probes, "GET", "/hc");
      return [status, headers[CLUSTER], headers[FAIL]];
    };
    assert.deepEqual(await check(), [200, "web", undefined]);
    assert.equal((await hand(baton, "fail")).text, "OK\n");
    const isFailed = async (when: string) => {
      assert.deepEqual(await check(), [503, "web", "true"], when);
      assert.equal(await ready(baton), "DRAINING", when);
      assert.equal((await askAdmin(probes, "GET", "/readyz")).status, 503, when);
      assert.equal((await askAdmin(probes, "GET", "/livez")).status, 200, when);
      assert.equal((await askAdmin({ port }, "GET", "/")).status, 200, `it serves on: ${when}`);
    };
    await isFailed("at once");
    assert.equal((await baton.cli("ready")).code, 1);
    await baton.reload();
    await isFailed("after a reload");
    await baton.cli("upgrade");
    const { pid } = await baton.status();
    try {
      assert.notEqual(pid, baton.pid);
      await waitUntil(() => !alive(baton.pid), { what: "the old baton has ended" });
      await isFailed("after an upgrade");
      await baton.cli("upgrade", "--in-place");
      assert.equal((await baton.status()).incarnation, 1);
      await isFailed("after one in place");
      await hand(baton, "ok");
      assert.deepEqual(await check(), [200, "web", undefined]);
      assert.equal(await ready(baton), "LIVE");
    } finally {
      killTree(pid);
    }
  });

  test("stays so when baton is killed, and another continues", OPTIONS, async () => {
    using dir = tempDir();
    const port = await freePort();
    const run = () =>
      startBaton({
        command: fixtureCommand("node_http.js"),
        env: { PORT: String(port) },
        flags: ["--survive"],
        dir,
      });
    await using first = await run();
    await hand(first, "fail");
    const server = (await first.status()).generations[0]?.pid ?? 0;
    try {
      first.signal("SIGKILL");
      await waitUntil(() => !alive(first.pid), { what: "baton is dead" });
      await using next = await run();
      assert.equal((await next.status()).generations[0]?.pid, server);
      assert.equal(await ready(next), "DRAINING");
      await hand(next, "ok");
      assert.equal(await ready(next), "LIVE");
      await next.stop();
    } finally {
      // It is no child of the next baton.
      killTree(server);
    }
  });
});

describe("a health check that is passed through", () => {
  test("is answered by the server, until it is failed by hand", OPTIONS, async () => {
    const { baton, probes, port } = await begin("/slow,pass-through,cache=100ms");
    await using _running = baton;
    const check = () => askAdmin(probes, "GET", "/slow?ms=1", { "x-asked": "1" });
    const direct = await askAdmin({ port }, "GET", "/slow?ms=1");
    const passed = await check();
    assert.deepEqual([passed.status, passed.headers[CLUSTER]], [direct.status, "web"]);
    assert.equal(passed.headers["content-type"], direct.headers["content-type"]);
    const cached = await Promise.all([check(), check(), check()]);
    assert.deepEqual(cached.map(({ status }) => status), [200, 200, 200]);
    await hand(baton, "fail");
    assert.deepEqual([(await check()).status, (await check()).headers[FAIL]], [503, "true"]);
  });
});
