/**
 * The promise: `baton stop` tells how the service has ended, also when baton ends right after that; and the signals of
 * --stop-on stop baton as TERM does.
 */
import assert from "node:assert/strict";
import process from "node:process";
import { describe, test } from "node:test";
import {
  type Baton,
  batonCommand,
  type BatonOptions,
  runCommand,
  startBaton,
} from "../support/baton.ts";
import { freePort } from "../support/free_port.ts";
import { probe } from "../support/kube_pod.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { formatTally, Load } from "../support/load.ts";
import { contained, noContainer } from "../support/pid1.ts";
import { findPython, required } from "../support/programs.ts";
import { fixtureCommand } from "../support/servers.ts";
import { tempDir } from "../support/temp_dir.ts";
import { waitUntil } from "../support/wait_until.ts";

const TEST = { timeout: TEST_TIMEOUT_MS };
const EXIT_USAGE = 64;
const EXIT_SYSTEM = 71;
/** RTMIN+3: what asks a systemd that is process 1 to stop. */
const RTMIN_3 = 37;

/** A server that has served when it ends: waiting for a connection is what the gate asks for. */
const LISTENS_AND_ENDS = "import os,socket; s=socket.socket(); " +
  "s.bind(('127.0.0.1', int(os.environ['PORT']))); s.listen(); s.settimeout(1); s.accept()";

/** @param release a file: requests for /hold are answered when it is there */
async function server(
  flags: readonly string[],
  release = "",
): Promise<BatonOptions & { port: number }> {
  const port = await freePort();
  const env = { PORT: String(port), RELEASE: release };
  return { command: fixtureCommand("held_answers.js"), env, flags, port };
}

/** A request that is in flight when this returns, until it is released. */
async function inFlight(port: number, baton: Baton, isShutdownOnly = false): Promise<Load> {
  await waitUntil(() => probe("127.0.0.1", { port, path: "/" }), { what: "it serves" });
  const load = new Load({ port, path: "/hold", clients: 1, maxRequests: 1 }).start();
  await waitUntil(() => load.tally.connections === 1, { what: "it is connected" });
  if (isShutdownOnly) return load;
  // A connection that is made may not have sent its request yet.
  const isBusy = async () => (await baton.status()).generations[0]?.connections.busy === 1;
  await waitUntil(isBusy, { what: "the server has the request" });
  return load;
}

describe("baton stop", () => {
  test("in a back-off: it has stopped, and both end with 0", TEST, async () => {
    await using baton = await startBaton({
      command: [required("python3", findPython()), "-c", LISTENS_AND_ENDS],
      env: { PORT: String(await freePort()) },
      flags: ["--crash-delay", "10m", "--crash-delay-max", "10m"],
      expectFailure: true,
    });
    await waitUntil(() => /starts again in 600000 ms/.test(baton.stderr), { what: "it waits" });
    const { code, stdout, stderr } = await baton.cli("stop");
    assert.deepEqual([code, stdout], [0, "web has stopped\n"], stderr);
    assert.equal((await baton.exited).code, 0, baton.stderr);
  });

  test("of a server that ends with 3: 0, and that is said", TEST, async () => {
    const port = await freePort();
    await using baton = await startBaton({
      command: fixtureCommand("leaves_helpers.js"),
      env: { PORT: String(port), STATUS: "3" },
    });
    await waitUntil(() => fetch(`http://127.0.0.1:${port}/`).catch(() => null), { what: "up" });
    const { code, stdout, stderr } = await baton.cli("stop");
    assert.equal(stdout, "web has stopped; its server exited with status 3\n", stderr);
    assert.equal(code, 0);
    assert.equal((await baton.exited).code, 3, baton.stderr);
  });

  test("of a baton that is killed meanwhile: 71, it does not know", TEST, async () => {
    const { port, ...options } = await server(["--orphan", "die"]);
    await using baton = await startBaton(options);
    const load = await inFlight(port, baton);
    const stopping = baton.cli("stop");
    await waitUntil(() => /SIGTERM|stop signal|drains/.test(baton.stderr), { what: "it stops" });
    baton.signal("SIGKILL");
    const { code, stderr } = await stopping;
    assert.equal(code, EXIT_SYSTEM, stderr);
    assert.match(stderr, /Cannot tell how "web" has ended: its baton .* exited without a reply/);
    await load.finished();
  });
});

describe("--stop-on", () => {
  const cases: [what: string, signal: NodeJS.Signals | number, flags: string[]][] = [
    ["RTMIN+3", RTMIN_3, []],
    ["USR1, which reopens no log then", "SIGUSR1", []],
    ["RTMIN+3", RTMIN_3, ["--shutdown-only"]],
    ["USR1, which is not sent on then", "SIGUSR1", ["--shutdown-only"]],
  ];
  for (const [what, signal, flags] of cases) {
    const name = typeof signal === "string" ? signal : "RTMIN+3";
    test(`${what} ${flags}: the request in flight ends, and baton with 0`, TEST, async () => {
      using dir = tempDir();
      const { port, ...options } = await server(["--stop-on", name, ...flags], dir.join("release"));
      await using baton = await startBaton(options);
      await using load = await inFlight(port, baton, flags.length > 0);
      process.kill(baton.pid, signal);
      await waitUntil(() => /SIG(RTMIN\+3|USR1): stop/.test(baton.stderr), { what: "it stops" });
      const state = async () => (await baton.status()).generations[0]?.state;
      await waitUntil(async () => await state() === "draining", {
        what: "the request is waited for",
      });
      dir.write("release", "");
      assert.deepEqual(await baton.exited, { code: 0, signal: null }, baton.stderr);
      const tally = await load.finished();
      assert.deepEqual([tally.ok, tally.lost], [1, 0], formatTally(tally));
    });
  }

  const skip = noContainer;
  test("as process 1: RTMIN+3, and TERM as ever", { ...TEST, skip }, async () => {
    for (const [signal, flags] of [[RTMIN_3, []], ["SIGTERM", ["--shutdown-only"]]] as const) {
      const { port: _port, ...options } = await server(["--stop-on", "RTMIN+3,USR1", ...flags]);
      await using container = await contained(options);
      container.signal(signal);
      assert.equal((await container.baton.exited).code, 0, container.baton.stderr);
    }
  });

  for (const signal of [RTMIN_3, "SIGUSR1", "SIGWINCH"] as const) {
    test(
      `as process 1 and without it: ${signal}, which means nothing else`,
      { ...TEST, skip },
      async () => {
        const { port: _port, ...options } = await server([]);
        await using container = await contained(options);
        container.signal(signal);
        assert.equal((await container.baton.exited).code, 0, container.baton.stderr);
      },
    );
  }

  test("a signal that cannot stop baton is refused", TEST, async () => {
    using dir = tempDir();
    for (
      const [given, message] of [["KILL", /no program can handle it/], ["WINHC", /mean WINCH/]]
    ) {
      const words = ["run", "--runtime-dir", dir.path, "--stop-on", String(given), "--", "true"];
      const { code, stderr } = await runCommand([...batonCommand(), ...words]);
      assert.equal(code, EXIT_USAGE, stderr);
      assert.match(stderr, message as RegExp);
    }
  });
});
