/**
 * Promise: with --shutdown-only baton ends its server well, and is otherwise not there: it forwards signals, reaps,
 * passes the exit status on, answers probes; and every way to ask for the end comes to one.
 */
import assert from "node:assert/strict";
import process from "node:process";
import { describe, test } from "node:test";
import { type Baton, startBaton } from "../support/baton.ts";
import { freePort } from "../support/free_port.ts";
import { probe } from "../support/kube_pod.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { formatTally, Load } from "../support/load.ts";
import { CONTAINER, noContainer } from "../support/pid1.ts";
import { alive, children } from "../support/proc.ts";
import { processNumbered } from "../support/restrict.ts";
import { fixtureCommand } from "../support/servers.ts";
import { tempDir } from "../support/temp_dir.ts";
import { waitUntil } from "../support/wait_until.ts";

const OPTIONS = { timeout: TEST_TIMEOUT_MS };
const PID_1 = { ...OPTIONS, skip: noContainer };
const ORPHANS = 1_000;

interface Setting {
  readonly flags?: readonly string[];
  readonly command?: readonly string[];
  readonly wrapper?: readonly string[];
  readonly env?: Record<string, string>;
}

async function start(
  setting: Setting = {},
): Promise<{ baton: Baton; port: number; probes: number }> {
  const [port, probes] = [await freePort(), await freePort()];
  const baton = await startBaton({
    command: [...setting.command ?? fixtureCommand("node_http.js")],
    env: { PORT: String(port), ...setting.env },
    ...setting.wrapper ? { wrapper: setting.wrapper } : {},
    flags: ["--shutdown-only", "--probe-listen", `127.0.0.1:${probes}`, ...setting.flags ?? []],
  });
  return { baton, port, probes };
}

/** startup, readiness, liveness */
function ask(port: number): Promise<boolean[]> {
  const paths = ["/startupz", "/readyz", "/livez"];
  return Promise.all(paths.map((path) => probe("127.0.0.1", { port, path })));
}

async function whenReady(probes: number): Promise<void> {
  await waitUntil(async () => (await ask(probes))[1], { what: "ready" });
}

/** A program that has no listener and says what it is told. */
function shell(script: string): string[] {
  return ["sh", "-c", script];
}

async function statusOf(script: string, wrapper?: readonly string[]): Promise<number | null> {
  await using running = await startBaton({
    command: shell(script),
    env: {},
    flags: ["--shutdown-only"],
    // It may be over before anybody could ask whether it serves.
    expectFailure: true,
    ...wrapper ? { wrapper } : {},
  });
  return (await running.exited).code;
}

describe("--shutdown-only", () => {
  test(
    "probes: not ready before it listens, not ready from TERM on, alive to the end",
    OPTIONS,
    async () => {
      const command = shell(`sleep 0.4; exec "$@"`).concat("sh", fixtureCommand("node_http.js"));
      const { baton, port, probes } = await start({
        command,
        flags: ["--min-drain", "800ms", "--quiet", "100ms"],
      });
      await using running = baton;
      assert.deepEqual(await ask(probes), [false, false, true], "while it starts");
      await whenReady(probes);
      assert.deepEqual(await ask(probes), [true, true, true], "while it serves");
      assert.equal((await running.cli("ready")).code, 0);
      running.signal("SIGTERM");
      await waitUntil(async () => !(await ask(probes))[1], { what: "readiness fails" });
      assert.deepEqual(await ask(probes), [true, false, true], "while it ends");
      assert.equal((await running.cli("ready")).code, 1);
      assert.equal(await probe("127.0.0.1", { port, path: "/" }), true, "it still accepts");
      assert.equal((await running.exited).code, 0, running.stderr);
    },
  );

  test("--ready-delay keeps readiness for a while", OPTIONS, async () => {
    const { baton, probes } = await start({
      flags: ["--min-drain", "30s", "--ready-delay", "20s"],
    });
    await using running = baton;
    await whenReady(probes);
    running.signal("SIGTERM");
    await waitUntil(() => running.stderr.includes("still accepting"), { what: "it is ending" });
    assert.deepEqual(await ask(probes), [true, true, true]);
  });

  test(
    "a server without a handler finishes what it has, and baton ends with 0",
    OPTIONS,
    async () => {
      const { baton, port, probes } = await start();
      await using running = baton;
      await whenReady(probes);
      const load = new Load({ port, path: "/slow?ms=1000", clients: 4, maxRequests: 4 }).start();
      await waitUntil(async () => (await running.status()).generations[0]?.connections.busy === 4, {
        what: "four requests are in flight",
      });
      running.signal("SIGTERM");
      assert.equal((await running.exited).code, 0, running.stderr);
      const tally = await load.finished();
      assert.deepEqual([tally.ok, tally.lost], [4, 0], formatTally(tally));
    },
  );

  test(
    "a grace period that is too short: what is cut is counted, and the status says so",
    OPTIONS,
    async () => {
      const { baton, port, probes } = await start({ flags: ["--max-drain", "1s"] });
      await using running = baton;
      await whenReady(probes);
      const load = new Load({ port, path: "/slow?ms=30000", clients: 3, maxRequests: 3 }).start();
      await waitUntil(async () => (await running.status()).generations[0]?.connections.busy === 3, {
        what: "three requests are in flight",
      });
      running.signal("SIGTERM");
      assert.equal((await running.exited).code, 124, running.stderr);
      assert.match(running.stderr, /connections were cut cut=3/);
      assert.equal((await load.finished()).lost, 3);
    },
  );

  test("an impossible budget is refused before anything starts", OPTIONS, async () => {
    const command = fixtureCommand("node_http.js");
    const flags = ["--shutdown-only", "--min-drain", "20s", "--max-drain", "20s", "--grace", "30s"];
    await using running = await startBaton({ command, env: {}, flags, expectFailure: true });
    assert.equal((await running.exited).code, 64);
    assert.match(running.stderr, /20 s \+ 20 s \+ 3 s = 43 s of 30 s/);
  });

  test("TERM three times: at once", OPTIONS, async () => {
    const { baton, probes } = await start({
      command: fixtureCommand("ignores_term.py"),
      flags: ["--min-drain", "30s", "--max-drain", "60s"],
    });
    await using running = baton;
    await whenReady(probes);
    const signals = ["shutdown requested", "second stop request", "KILL: stop request"];
    for (const said of signals) {
      running.signal("SIGTERM");
      await waitUntil(() => running.stderr.includes(said), { what: said });
    }
    await running.exited;
  });

  test("TERM before it listens ends it without a wait", OPTIONS, async () => {
    const { baton } = await start({ command: ["sleep", "60"], flags: ["--min-drain", "30s"] });
    await using running = baton;
    running.signal("SIGTERM");
    assert.equal((await running.exited).code, 0, running.stderr);
    assert.match(running.stderr, /it never listened/);
  });

  test("prestop with a baton: twice, then TERM; and after TERM", OPTIONS, async () => {
    const { baton, probes } = await start({ flags: ["--min-drain", "500ms", "--quiet", "100ms"] });
    await using running = baton;
    await whenReady(probes);
    for (const result of await Promise.all([running.cli("prestop"), running.cli("prestop")])) {
      assert.equal(result.code, 0, result.stderr);
      assert.match(result.stdout, /"web" is drained/);
    }
    assert.equal((await running.cli("prestop")).code, 0, "a third one");
    assert.equal((await ask(probes))[1], false, "not ready any more");
    running.signal("SIGTERM");
    const late = await running.cli("prestop", "--min", "0", "--max", "1s", "--quiet", "0");
    assert.ok([0, 71, 124].includes(late.code ?? -1), late.stderr);
    assert.equal((await running.exited).code, 0, running.stderr);
  });

  for (const mode of ["--shutdown-only", "full"] as const) {
    test(
      `prestop with a baton, ${mode}: 124 while a request is in flight, and it goes on`,
      OPTIONS,
      async () => {
        const port = await freePort();
        using dir = tempDir();
        await using running = await startBaton({
          command: fixtureCommand("held_answers.js"),
          env: { PORT: String(port), RELEASE: dir.join("release") },
          flags: mode === "full"
            ? ["--min-drain", "50ms", "--drain-time", "60s", "--quiet", "50ms"]
            : ["--shutdown-only", "--max-drain", "800ms", "--stop-time", "200ms"],
        });
        await waitUntil(() => probe("127.0.0.1", { port, path: "/" }), { what: "it serves" });
        await using load = new Load({ port, path: "/hold", clients: 1, maxRequests: 1 }).start();
        await waitUntil(() => load.tally.connections === 1, { what: "the request is sent" });
        const zero = await running.cli("prestop", "--min", "0", "--max", "0");
        assert.equal(zero.code, 124, "no time is not for ever");
        const { code, stderr } = await running.cli("prestop");
        assert.equal(code, 124, stderr);
        assert.match(stderr, /"web": 1 connections are still busy after/);
        dir.write("release", "");
        const tally = await load.finished();
        assert.deepEqual([tally.ok, tally.lost], [1, 0], formatTally(tally));
        const { code: later, stdout } = await running.cli("prestop");
        assert.equal(later, 0, stdout);
        running.signal("SIGTERM");
        assert.equal((await running.exited).code, 0, running.stderr);
      },
    );
  }

  test("exit statuses are passed on, by itself and at TERM", OPTIONS, async () => {
    for (const status of [0, 1, 77, 255]) assert.equal(await statusOf(`exit ${status}`), status);
    for (const signal of [1, 9, 15]) {
      assert.equal(await statusOf(`kill -${signal} $$`), 128 + signal);
    }
    const { baton } = await start({
      command: shell("trap 'kill $!; exit 3' TERM; sleep 60 & wait"),
    });
    await using running = baton;
    await waitUntil(() => children(running.pid).length >= 2, { what: "the trap is set" });
    running.signal("SIGTERM");
    assert.equal((await running.exited).code, 3, running.stderr);
  });

  test("a program that is not there ends it with 127", OPTIONS, async () => {
    await using running = await startBaton({
      command: ["/no/such/program"],
      env: {},
      flags: ["--shutdown-only"],
      expectFailure: true,
    });
    assert.equal((await running.exited).code, 127);
    assert.match(running.stderr, /Cannot find program/);
  });
});

describe("--shutdown-only as process 1", () => {
  test(`reaps ${ORPHANS} orphans`, PID_1, async () => {
    const orphans = `i=0; while [ $i -lt ${ORPHANS} ]; do i=$((i+1)); (true &); done; exec "$@"`;
    const command = [...shell(orphans), "sh", ...fixtureCommand("node_http.js")];
    const { baton, probes } = await start({ command, wrapper: CONTAINER });
    await using running = baton;
    await whenReady(probes);
    const one = processNumbered(1, running.pid);
    await waitUntil(() => children(one).every(alive), { what: "no zombie is left" });
    process.kill(one, "SIGTERM");
    assert.equal((await running.exited).code, 0, running.stderr);
  });

  test("waits for a server that has gone to the background", PID_1, async () => {
    const script = `("$@" &) ; exit 0`;
    const command = [...shell(script), "sh", ...fixtureCommand("node_http.js")];
    const { baton, port } = await start({ command, wrapper: CONTAINER });
    await using running = baton;
    await waitUntil(() => probe("127.0.0.1", { port, path: "/" }), { what: "it serves" });
    assert.equal(running.exit, null);
    process.kill(processNumbered(1, running.pid), "SIGTERM");
    assert.equal((await running.exited).code, 0, running.stderr);
  });
});
