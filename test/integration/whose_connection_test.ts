/**
 * The promise: a generation's connections are counted, and waited for, also where baton may not look into the process that
 * has them, or where that process is none of the generation's any more; and a connection that has moved is the new one's.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import process from "node:process";
import { describe, test } from "node:test";
import { C } from "../../src/platform/libc/constants.ts";
import type { GenerationView } from "../../src/report/snapshot.ts";
import { type Baton, startBaton } from "../support/baton.ts";
import { freePort } from "../support/free_port.ts";
import { KeptConnection } from "../support/kept_connection.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { formatTally, Load } from "../support/load.ts";
import { findNode, findPython, fixture, required, which } from "../support/programs.ts";
import { fixtureCommand } from "../support/servers.ts";
import { tempDir } from "../support/temp_dir.ts";
import { testPlatform } from "../support/test_platform.ts";
import { waitUntil } from "../support/wait_until.ts";

const CLIENTS = 3;
const PATIENCE_MS = 30_000;
const SOMEBODY = 65_534;
const noOtherUser = process.geteuid?.() !== 0
  ? "needs root, to be two users"
  : which("setpriv") === null && "there is no setpriv (util-linux)";

async function generation(baton: Baton, epoch: number): Promise<GenerationView> {
  const { generations } = await baton.status();
  const found = generations.find((each) => each.epoch === epoch);
  assert.ok(found, `generation ${epoch} is known`);
  return found;
}

/**
 * Replaces generation 0 while its requests are in flight: they must be seen, and answered before it exits. A later
 * generation without any exits meanwhile.
 */
async function requestsAreWaitedFor(baton: Baton, port: number): Promise<void> {
  using dir = tempDir();
  const path = `/until?file=${dir.join("answer")}`;
  const options = { port, clients: CLIENTS, maxRequests: CLIENTS, path };
  await using load = new Load({ ...options, timeoutMs: TEST_TIMEOUT_MS }).start();
  await waitUntil(async () => (await generation(baton, 0)).connections.busy === CLIENTS, {
    what: `generation 0 is seen to work on ${CLIENTS} requests\n${baton.stderr}`,
  });
  for (let i = 0; i < 2; i++) {
    const report = await baton.reload();
    assert.equal(report.result, "ok", `${report.reason}\n${baton.stderr}`);
  }
  const exits = (epoch: number) =>
    waitUntil(async () => (await generation(baton, epoch)).state === "exited", {
      what: `generation ${epoch} has exited`,
    });
  await exits(1);
  const { state, connections } = await generation(baton, 0);
  assert.deepEqual([state, connections.busy], ["draining", CLIENTS], baton.stderr);
  dir.write("answer", "");
  const tally = await load.finished();
  assert.deepEqual([tally.ok, tally.lost], [CLIENTS, 0], `${formatTally(tally)}\n${baton.stderr}`);
  await exits(0);
}

describe("a generation's requests in flight are seen, and waited for", () => {
  test("of a server that runs as another user, which baton may not look into", {
    skip: noOtherUser,
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    const port = await freePort();
    const user = String(SOMEBODY);
    const node = required("node", findNode());
    await using baton = await startBaton({
      command: [
        ...["setpriv", "--reuid", user, "--regid", user, "--clear-groups"],
        ...[node, fixture("inherit_fd.js")],
      ],
      flags: ["--listen", `127.0.0.1:${port}`, "--handoff", "inherit", "--ready", "http:/"],
      env: {},
      wrapper: ["setpriv", "--bounding-set", "-sys_ptrace"],
    });
    await requestsAreWaitedFor(baton, port);
  });

  test("of a daemon that is no descendant of it, and has its listener, after an upgrade too", {
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    using dir = tempDir();
    const python = required("python3", findPython());
    const path = dir.join("daemon.sock");
    const daemon = spawn(python, [fixture("answers_for.py"), path], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    try {
      await once(daemon.stdout, "data");
      const port = await freePort();
      await using baton = await startBaton({
        command: [python, fixture("hands_out.py")],
        env: { PORT: String(port), DAEMON: path },
      });
      // The next baton reads the tag from the listener.
      const upgraded = await baton.cli("upgrade", "--in-place");
      assert.equal(upgraded.code, 0, `${upgraded.stderr}\n${baton.stderr}`);
      await requestsAreWaitedFor(baton, port);
    } finally {
      daemon.kill("SIGKILL");
      await once(daemon, "close");
    }
  });
});

test("connections that have moved are the new generation's, and move on from there", {
  timeout: TEST_TIMEOUT_MS,
}, async () => {
  const port = await freePort();
  await using platform = await testPlatform();
  await using baton = await startBaton({
    command: fixtureCommand("node_http.js"),
    env: { PORT: String(port) },
    flags: ["--keep-alive", "migrate", "--quiet", "50ms"],
  });
  using stack = new DisposableStack();
  const connections = Array.from({ length: CLIENTS }, () => stack.use(new KeptConnection(port)));
  const ask = async () => {
    for (const connection of connections) connection.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    for (const connection of connections) await connection.answer();
  };
  await ask();
  for (const epoch of [1, 2]) {
    assert.equal((await baton.reload()).result, "ok");
    await waitUntil(async () => {
      await ask();
      return (await generation(baton, epoch)).connections.total === CLIENTS;
    }, { what: `generation ${epoch} has the connections`, deadlineMs: PATIENCE_MS });
    await baton.settled();
    await ask();
    const rows = platform.sockDiag.tcpByLocalPort(port, [C.TCP_ESTABLISHED, C.TCP_LISTEN]);
    const tagsOf = (state: number) =>
      new Set(rows.filter((row) => row.state === state).map(({ tag }) => tag));
    const [tag = 0, ...others] = tagsOf(C.TCP_ESTABLISHED);
    assert.deepEqual(others, [], "all have one tag");
    assert.ok(tag > 0 && tagsOf(C.TCP_LISTEN).has(tag), "that of a listener");
  }
});
