/**
 * The promise: a connection that the kernel has completed and no server has accepted yet is never thrown away by a
 * reload. It waits in the queue of one listening socket; the last close of that socket resets it. So baton holds a
 * duplicate of each, and signals nobody whose queue is not empty.
 */
import assert from "node:assert/strict";
import process from "node:process";
import { describe, test } from "node:test";
import type { Fd } from "../../src/platform/fd.ts";
import { C } from "../../src/platform/libc/constants.ts";
import type { Platform } from "../../src/platform/platform.ts";
import { type Baton, startBaton } from "../support/baton.ts";
import { freePort } from "../support/free_port.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { formatTally, Load, type Tally } from "../support/load.ts";
import { children, stopForGood } from "../support/proc.ts";
import { listenAt } from "../support/raw_client.ts";
import { fixtureCommand, place, server, type ServerId } from "../support/servers.ts";
import { tempDir } from "../support/temp_dir.ts";
import { testPlatform } from "../support/test_platform.ts";
import { waitUntil } from "../support/wait_until.ts";

const WAITING = 64;
const PATIENCE_MS = 30_000;

/** Many requests at once, each on a connection of its own, and no more. */
function requests(port: number, count = WAITING): Load {
  return new Load({ port, clients: count, maxRequests: count, timeoutMs: PATIENCE_MS }).start();
}

/** Connections that wait in the queues of a generation. */
async function waitingIn(baton: Baton, epoch: number): Promise<number> {
  const { listeners } = await baton.status();
  return listeners.flatMap(({ members }) => members).filter((member) => member.epoch === epoch)
    .reduce((sum, { backlog }) => sum + backlog, 0);
}

async function pidOf(baton: Baton, epoch: number): Promise<number> {
  const { generations } = await baton.status();
  const pid = generations.find((generation) => generation.epoch === epoch)?.pid;
  assert.ok(pid, `generation ${epoch} has a process`);
  return pid;
}

/**
 * Stops the processes that accept (SIGSTOP) and fills their queue with `WAITING` requests. A master goes on, so that
 * a signal that comes too early has its effect at once.
 */
async function stopWithQueue(
  baton: Baton,
  port: number,
): Promise<{ load: Load; pids: number[] }> {
  const leader = await pidOf(baton, 0);
  const workers = children(leader);
  const pids = workers.length > 0 ? workers : [leader];
  for (const pid of pids) await stopForGood(pid);
  const load = requests(port);
  await waitUntil(async () => await waitingIn(baton, 0) === WAITING, {
    what: `${WAITING} connections wait`,
  });
  return { load, pids };
}

function show(tally: Tally, baton: Baton): string {
  return `${formatTally(tally)}\n${baton.stderr}`;
}

describe("connections that wait in the queue of the old generation", () => {
  const cases: readonly { id: ServerId; flags: readonly string[] }[] = [
    { id: "node", flags: [] },
    // Queue only: not a request, let alone an idle connection, is waited for.
    { id: "nginx", flags: ["--drain", "signal"] },
    { id: "uvicorn", flags: ["--drain", "signal"] },
  ];
  for (const { id, flags } of cases) {
    const which = server(id);
    const skip = which.needs() ?? false;
    const name = `are all answered by it: ${[id, ...flags].join(" ")}`;
    test(name, { skip, timeout: TEST_TIMEOUT_MS }, async () => {
      using work = tempDir();
      const port = await freePort();
      const runnable = place(which, { port, workDir: work.path });
      await using baton = await startBaton({ ...runnable, flags });
      const { load, pids } = await stopWithQueue(baton, port);
      await using waiting = load;
      const report = await baton.reload();
      assert.equal(report.result, "ok", report.reason ?? "");
      await using fresh = requests(port);
      const others = await fresh.finished();
      assert.equal(others.lost, 0, show(others, baton));
      assert.ok(pids.every((pid) => !others.byBody.has(pid)), show(others, baton));
      assert.equal(await waitingIn(baton, 0), WAITING, "they wait still");
      assert.equal(waiting.tally.ok + waiting.tally.lost, 0);
      for (const pid of pids) process.kill(pid, "SIGCONT");
      const tally = await waiting.finished();
      assert.equal(tally.ok, WAITING, show(tally, baton));
      assert.ok([...tally.byBody.keys()].every((pid) => pids.includes(pid)), show(tally, baton));
      assert.equal((await baton.settled()).lastReload?.connectionsCut, 0);
    });
  }

  test("queued connections are answered by the replacement of a server that was killed", {
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    const port = await freePort();
    await using baton = await startBaton({
      command: fixtureCommand("node_http.js"),
      env: { PORT: String(port) },
    });
    const { load, pids } = await stopWithQueue(baton, port);
    await using waiting = load;
    for (const pid of pids) process.kill(pid, "SIGKILL");
    const tally = await waiting.finished();
    assert.equal(tally.ok, WAITING, show(tally, baton));
    assert.deepEqual([...tally.byBody.keys()], [await pidOf(baton, 1)], show(tally, baton));
  });

  test(
    "queued connections are closed at once, and counted as cut, when the old generation never comes back",
    {
      timeout: TEST_TIMEOUT_MS,
    },
    async () => {
      const port = await freePort();
      await using baton = await startBaton({
        command: fixtureCommand("node_http.js"),
        env: { PORT: String(port) },
        flags: ["--drain-time", "500ms", "--stop-time", "500ms"],
      });
      const { load } = await stopWithQueue(baton, port);
      await using waiting = load;
      const report = await baton.reload();
      assert.equal(report.result, "ok", report.reason ?? "");
      const { lastReload } = await baton.settled();
      const tally = await waiting.finished();
      assert.equal(tally.reset, WAITING, show(tally, baton));
      assert.equal(lastReload?.connectionsCut, WAITING);
    },
  );
});

/** The experiment behind the tests above, with two members of one group and no server at all. */
describe("a reuseport member that is closed with a full queue", () => {
  /** Sends everything to the only member, lets another one join, and closes the first. */
  async function closeFirst(platform: Platform, held: boolean): Promise<Tally> {
    const { listener: first, address } = listenAt(platform, "127.0.0.1", {
      backlog: WAITING,
      reuseport: true,
    });
    const load = requests(address.port);
    const queued = () =>
      platform.sockDiag.tcpByLocalPort(address.port, [C.TCP_LISTEN])
        .reduce((sum, { receiveQueue }) => sum + receiveQueue, 0);
    await waitUntil(() => queued() === WAITING, { what: "all connections wait" });
    const second = listenAt(platform, "127.0.0.1", { port: address.port, reuseport: true });
    const duplicate = held ? platform.descriptors.duplicate(first) : null;
    first.close();
    if (duplicate !== null) answerAll(platform, duplicate);
    const tally = await load.finished();
    assert.equal(platform.sockets.accept(second.listener), null, "the other member got nothing");
    second.listener.close();
    duplicate?.close();
    return tally;
  }

  function answerAll(platform: Platform, listener: Fd): void {
    const answer = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    for (;;) {
      using connection = platform.sockets.accept(listener);
      if (connection === null) return;
      // Unread bytes would make the close a reset.
      platform.descriptors.read(connection, new Uint8Array(4096));
      platform.descriptors.write(connection, new TextEncoder().encode(answer));
    }
  }

  test(
    "without a held duplicate all queued connections are lost",
    { timeout: TEST_TIMEOUT_MS },
    async () => {
      await using platform = await testPlatform();
      const tally = await closeFirst(platform, false);
      assert.equal(tally.reset, WAITING, formatTally(tally));
    },
  );

  test(
    "while a duplicate is held no queued connection is lost",
    { timeout: TEST_TIMEOUT_MS },
    async () => {
      await using platform = await testPlatform();
      const tally = await closeFirst(platform, true);
      assert.equal(tally.ok, WAITING, formatTally(tally));
    },
  );
});
