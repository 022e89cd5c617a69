/**
 * The same promise as test/integration/left_behind_test.ts, in more places: as process 1, after an upgrade in place, with
 * the next baton after a crash, and with other ends of the leading process.
 */
import assert from "node:assert/strict";
import process from "node:process";
import { describe, test } from "node:test";
import { startBaton } from "../support/baton.ts";
import { freePort } from "../support/free_port.ts";
import { probe } from "../support/kube_pod.ts";
import { Helpers, leavingServer, NAMES } from "../support/left_helpers.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { formatTally, Load } from "../support/load.ts";
import { contained, noContainer } from "../support/pid1.ts";
import { alive } from "../support/proc.ts";
import { findPython, fixture, required } from "../support/programs.ts";
import { fixtureCommand } from "../support/servers.ts";
import { Succession } from "../support/succession.ts";
import { tempDir } from "../support/temp_dir.ts";
import { waitUntil } from "../support/wait_until.ts";

const TEST = { timeout: TEST_TIMEOUT_MS };
const MODES = ["full", "--shutdown-only"];
const flagsOf = (mode: string) => mode === "full" ? [] : [mode];

describe("what a server leaves behind", () => {
  for (const mode of MODES) {
    test(`by process 1, ${mode}: told, and 0`, { ...TEST, skip: noContainer }, async () => {
      using helpers = new Helpers();
      const given = await leavingServer({ helpers: helpers.commands(NAMES), flags: flagsOf(mode) });
      await using container = await contained(given);
      await helpers.started(NAMES);
      container.signal("SIGTERM");
      assert.equal((await container.baton.exited).code, 0, container.baton.stderr);
      for (const name of NAMES) assert.equal(helpers.told(name), 1, name);
    });

    test(`by one that ends with 3 at its signal, ${mode}: told, and 3`, TEST, async () => {
      using helpers = new Helpers();
      const flags = flagsOf(mode);
      const env = { STATUS: "3" };
      await using baton = await startBaton(
        await leavingServer({ helpers: helpers.commands(NAMES), flags, env }),
      );
      await helpers.started(NAMES);
      assert.equal((await baton.stop()).code, 3, baton.stderr);
      helpers.haveEnded(NAMES, baton.stderr);
    });
  }

  test("after an upgrade in place: the same", TEST, async () => {
    using helpers = new Helpers();
    await using baton = await startBaton(await leavingServer({ helpers: helpers.commands(NAMES) }));
    await helpers.started(NAMES);
    const upgraded = await baton.cli("upgrade", "--in-place");
    assert.equal(upgraded.code, 0, upgraded.stderr);
    assert.equal((await baton.stop()).code, 0, baton.stderr);
    helpers.haveEnded(NAMES, baton.stderr);
  });

  test("after baton was killed (--survive): the next one tells them", TEST, async () => {
    using dir = tempDir("baton");
    using helpers = new Helpers();
    const names = ["a", "b"];
    const { command, env } = await leavingServer({ helpers: helpers.commands(names) });
    await using batons = new Succession({ command, env, dir });
    await batons.next();
    await helpers.started(names);
    await batons.kill();
    const second = await batons.next();
    assert.deepEqual(await second.stop(), { code: 0, signal: null }, second.stderr);
    helpers.haveEnded(names, second.stderr);
    assert.deepEqual(batons.left, []);
  });

  test("by one that ends with 7 unasked, --on-crash exit: told, and 7", TEST, async () => {
    using helpers = new Helpers();
    const names = ["a", "b"];
    const flags = ["--on-crash", "exit"];
    const given = await leavingServer({ helpers: helpers.commands(names), flags });
    await using baton = await startBaton(given);
    await helpers.started(names);
    await fetch(`http://127.0.0.1:${given.env["PORT"]}/end?status=7`).catch(() => {});
    assert.equal((await baton.exited).code, 7, baton.stderr);
    for (const name of names) assert.equal(alive(helpers.pid(name)), false, name);
  });

  test("a worker that still answers, --shutdown-only: told after its answer", TEST, async () => {
    const port = await freePort();
    await using baton = await startBaton({
      command: [required("python3", findPython()), fixture("leaves_worker.py")],
      env: { PORT: String(port), MS: "1500" },
      flags: ["--drain", "signal", "--stop-time", "20s", "--shutdown-only"],
    });
    const answer = waitUntil(() => fetch(`http://127.0.0.1:${port}/`).catch(() => null), {
      what: "it serves",
    });
    const isBusy = async () => (await baton.status()).generations[0]?.connections.busy === 1;
    await waitUntil(isBusy, { what: "a request is in flight" });
    assert.equal((await baton.stop()).code, 0, baton.stderr);
    assert.equal((await answer).status, 200);
  });
});

describe("--stop-on", () => {
  const signals: [name: string, signal: NodeJS.Signals | number, mode: string][] = [
    ["WINCH", "SIGWINCH", "full"],
    ["HUP", "SIGHUP", "full"],
    ["USR2", "SIGUSR2", "full"],
    ["ALRM", "SIGALRM", "full"],
    ["RTMAX", 64, "full"],
    ["WINCH", "SIGWINCH", "--shutdown-only"],
    ["HUP", "SIGHUP", "--shutdown-only"],
    ["STKFLT", 16, "--shutdown-only"],
  ];
  for (const [name, signal, mode] of signals) {
    test(`${name}, ${mode}: the request in flight ends, and baton with 0`, TEST, async () => {
      const port = await freePort();
      const flags = ["--stop-on", name, ...flagsOf(mode)];
      const env = { PORT: String(port) };
      const command = fixtureCommand("node_http.js");
      await using baton = await startBaton({ command, env, flags });
      await waitUntil(() => probe("127.0.0.1", { port, path: "/" }), { what: "it serves" });
      const load = new Load({ port, path: "/slow?ms=1500", clients: 1, maxRequests: 1 }).start();
      const isBusy = async () => (await baton.status()).generations[0]?.connections.busy === 1;
      await waitUntil(isBusy, { what: "the request is in flight" });
      process.kill(baton.pid, signal);
      assert.deepEqual(await baton.exited, { code: 0, signal: null }, baton.stderr);
      const tally = await load.finished();
      assert.deepEqual([tally.ok, tally.lost], [1, 0], formatTally(tally));
    });
  }
});
