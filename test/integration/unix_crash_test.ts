/**
 * The promise: a server at a Unix socket that crashes is started again, and its clients wait as those of a TCP server do:
 * none is refused, the path is never gone, and connections that wait in the queue of the dead server are answered by its
 * heir.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { startBaton } from "../support/baton.ts";
import { kill, serves, start } from "../support/crashing.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { formatTally, Load, type Tally } from "../support/load.ts";
import { children, stopForGood } from "../support/proc.ts";
import { fixtureCommand } from "../support/servers.ts";
import { servingPid } from "../support/serving_pid.ts";
import { tempDir } from "../support/temp_dir.ts";
import { countWaiting, lostNone, nodeAt, nodeInode, unixLoad } from "../support/unix_service.ts";
import { waitUntil } from "../support/wait_until.ts";

const TEST = { timeout: TEST_TIMEOUT_MS };
const CRASHES = 3;
const CLIENTS = 16;
const WAITING = 5;
const ENOUGH_REQUESTS = 50;

/** Lost is at most what the dead processes had in hand. */
function onlyInHandLost(tally: Tally, log: string): void {
  const line = `${formatTally(tally)}\n${log}`;
  // ENOENT counts as "other".
  assert.equal(tally.refused + tally.other + tally.timedOut + tally.unexpected, 0, line);
  assert.ok(tally.reset + tally.short <= CLIENTS * CRASHES, line);
}

describe("a server at a Unix socket that is killed", () => {
  test(
    `${CRASHES} times under ${CLIENTS} clients: none is refused, the path stays`,
    TEST,
    async () => {
      using work = tempDir();
      const socket = work.join("s");
      await using baton = await startBaton({ ...nodeAt(socket), flags: ["--crash-delay", "50ms"] });
      await using load = unixLoad(socket, CLIENTS);
      const node = nodeInode(socket);
      for (let crash = 1; crash <= CRASHES; crash++) {
        await load.answersMore(ENOUGH_REQUESTS);
        kill(servingPid(await baton.settled()));
        await serves(baton, crash);
        await load.answersMore(ENOUGH_REQUESTS);
        assert.equal(nodeInode(socket), node, "the heir has the dead server's node");
      }
      assert.equal((await baton.reload()).result, "ok", baton.stderr);
      await load.answersMore(ENOUGH_REQUESTS);
      onlyInHandLost(await load.stop(), baton.stderr);
      assert.equal((await baton.stop()).code, 0, baton.stderr);
    },
  );

  test("the connections that wait are answered by its heir", TEST, async () => {
    using work = tempDir();
    const socket = work.join("s");
    await using baton = await startBaton(nodeAt(socket));
    const pid = servingPid(await baton.status());
    for (const each of [pid, ...children(pid)]) await stopForGood(each);
    const options = { unixPath: socket, clients: WAITING, maxRequests: WAITING };
    await using load = new Load({ ...options, timeoutMs: TEST_TIMEOUT_MS }).start();
    await waitUntil(() => countWaiting(work.path) === WAITING, { what: "the connections wait" });
    kill(pid);
    const tally = await load.finished();
    lostNone(tally, baton);
    assert.deepEqual([...tally.byBody], [[servingPid(await serves(baton, 1)), WAITING]]);
    assert.equal((await baton.stop()).code, 0, baton.stderr);
  });

  test(
    "replaced by a version that fails: its clients wait for the one after that",
    TEST,
    async () => {
      using work = tempDir();
      const socket = work.join("s");
      const { baton: started, deploy } = await start(work, nodeAt(socket), [
        "--crash-delay",
        "50ms",
      ]);
      await using baton = started;
      await using load = unixLoad(socket, CLIENTS);
      await load.answersMore(ENOUGH_REQUESTS);
      deploy({ command: fixtureCommand("exits_at_once.js"), env: {} });
      kill(servingPid(await baton.settled()));
      await waitUntil(async () => (await baton.status()).restarts.crashes >= 2, {
        what: "the broken version has failed",
      });
      deploy(nodeAt(socket, "2"));
      await waitUntil(() => (load.tally.byVersion.get("2") ?? 0) > ENOUGH_REQUESTS, {
        what: "the good version answers",
      });
      onlyInHandLost(await load.stop(), baton.stderr);
      assert.equal((await baton.stop()).code, 0, baton.stderr);
    },
  );
});
