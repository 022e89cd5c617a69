/**
 * System: a pod ends while a request of 30 s is in flight.
 *
 * Allowed outcome: inside a grace period that is long enough the request is finished, whole, with baton as the main
 * process and as the hook, and neither waits longer than that. Inside one that is too short it is cut at the end of
 * that, and counted, and the status says so. Needs root, for PID namespaces; all of them wait at the same time.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { batonCommand, runCommand, UNDER_TEST } from "../support/baton.ts";
import { startBare } from "../support/bare_server.ts";
import { freePort } from "../support/free_port.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { formatTally, Load } from "../support/load.ts";
import { contained, CONTAINER, noContainer } from "../support/pid1.ts";
import { fixtureCommand } from "../support/servers.ts";
import { tempDir } from "../support/temp_dir.ts";
import { waitUntil } from "../support/wait_until.ts";

const REQUEST_MS = 30_000;
const MIN_DRAIN = "1s";
/** Namespaces and programs have to start, on a busy machine. */
const SLACK_MS = 8_000;
const OPTIONS = {
  skip: UNDER_TEST === "bun" ? noContainer : "once is enough: on Bun",
  timeout: TEST_TIMEOUT_MS,
};

function slowRequest(port: number): Load {
  const path = `/slow?ms=${REQUEST_MS}`;
  return new Load({ port, path, clients: 1, maxRequests: 1, timeoutMs: 2 * REQUEST_MS }).start();
}

/** One pod in entry point form. @returns how long its end took */
async function entryPoint(maxDrain: string, grace: string) {
  const port = await freePort();
  const flags = [
    "--shutdown-only",
    "--min-drain",
    MIN_DRAIN,
    "--max-drain",
    maxDrain,
    "--grace",
    grace,
    "--quiet",
    "100ms",
    "--stop-time",
    "1s",
  ];
  const command = fixtureCommand("node_http.js");
  await using pod = await contained({ command, flags, env: { PORT: String(port) } });
  const { baton } = pod;
  await waitUntil(async () => (await fetch(`http://127.0.0.1:${port}/`)).ok, { what: "it serves" });
  await using load = slowRequest(port);
  await waitUntil(async () => (await baton.status()).generations[0]?.connections.busy === 1, {
    what: "the request is in flight",
  });
  const startedAt = performance.now();
  pod.signal("SIGTERM");
  const { code } = await baton.exited;
  const tookMs = performance.now() - startedAt;
  return { code, tookMs, tally: await load.finished(), log: baton.stderr };
}

/** One pod in hook form, up to the moment of TERM. */
async function hook(max: string) {
  using dir = tempDir();
  const port = await freePort();
  const env = { PORT: String(port) };
  await using _server = await startBare({ command: fixtureCommand("node_http.js"), port, env });
  await using load = slowRequest(port);
  const startedAt = performance.now();
  const { code, stdout, stderr } = await runCommand([
    ...CONTAINER,
    ...batonCommand(),
    "prestop",
    "--runtime-dir",
    dir.path,
    "--port",
    String(port),
    "--min",
    MIN_DRAIN,
    "--max",
    max,
    "--quiet",
    "100ms",
  ]);
  const tookMs = performance.now() - startedAt;
  // What TERM would meet; the server itself ends here if it is not over.
  return { code, tookMs, answered: load.tally.ok, log: stdout + stderr };
}

describe("a request of 30 s at the end of a pod", () => {
  test(
    "is finished where the grace period allows it; is cut, counted and told where not",
    OPTIONS,
    async () => {
      const [long, short, longHook, shortHook] = await Promise.all([
        entryPoint("40s", "44s"),
        entryPoint("5s", "9s"),
        hook("40s"),
        hook("5s"),
      ]);
      const whole = `${formatTally(long.tally)}\n${long.log}`;
      assert.deepEqual([long.code, long.tally.ok, long.tally.lost], [0, 1, 0], whole);
      assert.ok(long.tookMs < REQUEST_MS + SLACK_MS, `${long.tookMs} ms\n${long.log}`);
      const cut = `${formatTally(short.tally)}\n${short.log}`;
      assert.deepEqual([short.code, short.tally.ok, short.tally.lost], [124, 0, 1], cut);
      assert.match(short.log, /connections were cut cut=1/);
      assert.ok(short.tookMs < 9_000, `inside its grace period: ${short.tookMs} ms\n${short.log}`);
      assert.deepEqual([longHook.code, longHook.answered], [0, 1], longHook.log);
      assert.ok(longHook.tookMs < REQUEST_MS + SLACK_MS, `${longHook.tookMs} ms\n${longHook.log}`);
      assert.deepEqual([shortHook.code, shortHook.answered], [124, 0], shortHook.log);
      assert.match(shortHook.log, /1 connections are still busy/);
    },
  );
});
