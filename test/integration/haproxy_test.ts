/**
 * Promise: a balancer that asks /readyz (HAProxy, `option httpchk GET /readyz`) loses nothing when one of two backends
 * is stopped and started again and again. HAProxy keeps sending until its check has failed; baton goes on accepting.
 */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { describe, test } from "node:test";
import { startBare } from "../support/bare_server.ts";
import { type Baton, startBaton } from "../support/baton.ts";
import { freePort } from "../support/free_port.ts";
import { probe } from "../support/kube_pod.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { formatTally, Load } from "../support/load.ts";
import { which } from "../support/programs.ts";
import { repeats } from "../support/repeats.ts";
import { fixtureCommand } from "../support/servers.ts";
import { tempDir } from "../support/temp_dir.ts";
import { waitUntil } from "../support/wait_until.ts";

const HAPROXY = which("haproxy");
const ROUNDS = repeats({ full: 10, quick: 3 });
/** Checks come every 100 ms, two must fail; with what a busy machine adds. */
const MIN_DRAIN = "1s";
const OPTIONS = {
  skip: HAPROXY === null ? "haproxy is not installed" : false,
  timeout: TEST_TIMEOUT_MS,
};

interface Backend {
  readonly port: number;
  readonly probes: number;
}

async function start({ port, probes }: Backend): Promise<Baton> {
  const baton = await startBaton({
    command: fixtureCommand("node_http.js"),
    env: { PORT: String(port) },
    flags: [
      "--shutdown-only",
      "--min-drain",
      MIN_DRAIN,
      "--quiet",
      "100ms",
      "--probe-listen",
      `127.0.0.1:${probes}`,
    ],
  });
  await waitUntil(() => probe("127.0.0.1", { port: probes, path: "/readyz" }), { what: "ready" });
  return baton;
}

function configuration(port: number, backends: readonly Backend[]): string {
  const servers = backends.map((backend, i) =>
    `  server s${i} 127.0.0.1:${backend.port} check port ${backend.probes}`
  );
  return [
    "defaults",
    "  mode http",
    "  timeout connect 1s",
    "  timeout client 10s",
    "  timeout server 10s",
    // A check that a busy machine answers late is no failure.
    "  timeout check 5s",
    "  retries 0",
    "frontend f",
    `  bind 127.0.0.1:${port}`,
    "  default_backend b",
    "backend b",
    "  option httpchk GET /readyz",
    "  default-server inter 100 fall 2 rise 1",
    "  http-reuse never",
    ...servers,
    "",
  ].join("\n");
}

describe("behind HAProxy", () => {
  test(
    `one of two backends is stopped and started ${ROUNDS} times: nothing is lost`,
    OPTIONS,
    async () => {
      using dir = tempDir("haproxy");
      const ports = await Promise.all(Array.from({ length: 5 }, () => freePort()));
      const [port = 0, a = 0, b = 0, c = 0, d = 0] = ports;
      const backends = [{ port: a, probes: b }, { port: c, probes: d }] as const;
      writeFileSync(dir.join("haproxy.cfg"), configuration(port, backends));
      await using _other = await start(backends[1]);
      const rounds: Baton[] = [await start(backends[0])];
      await using _haproxy = await startBare({
        command: [HAPROXY ?? "", "-db", "-f", dir.join("haproxy.cfg")],
        env: {},
        port,
      });
      await waitUntil(() => probe("127.0.0.1", { port, path: "/" }), { what: "HAProxy serves" });
      await using load = new Load({ port, thinkTimeMs: 2 }).start();
      for (let round = 0; round < ROUNDS; round++) {
        const baton = rounds.at(-1)!;
        assert.equal((await baton.stop()).code, 0, baton.stderr);
        await baton[Symbol.asyncDispose]();
        rounds.push(await start(backends[0]));
        const before = load.tally.ok;
        await waitUntil(() => load.tally.ok > before + 50, { what: "load goes on" });
      }
      const tally = await load.stop();
      await rounds.at(-1)![Symbol.asyncDispose]();
      const logs = rounds.map((baton) => baton.stderr).join("\n");
      assert.equal(tally.lost, 0, `${formatTally(tally)}\n${logs}`);
      assert.ok(tally.ok > 500, formatTally(tally));
    },
  );
});
