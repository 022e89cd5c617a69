/**
 * The promise: a server at a Unix socket that must not run twice is restarted without a refused client: new connections
 * wait in a queue of baton's own at the same path, and the next server gets them. A version that does not start is
 * followed by the one before it.
 */
import assert from "node:assert/strict";
import process from "node:process";
import { describe, test } from "node:test";
import { type Baton, startBaton } from "../support/baton.ts";
import { exclusive, release } from "../support/exclusive.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { formatTally } from "../support/load.ts";
import { repeats } from "../support/repeats.ts";
import { type TempDir, tempDir } from "../support/temp_dir.ts";
import { lostNone, nodeInode, unixLoad } from "../support/unix_service.ts";
import { waitUntil } from "../support/wait_until.ts";

const TEST = { timeout: TEST_TIMEOUT_MS };
const RESTARTS = repeats({ full: 10, quick: 2 });
const ENOUGH_REQUESTS = 50;

async function startExclusive(work: TempDir): Promise<Baton> {
  release(work, "1");
  const { command, env } = exclusive(work, 0);
  return await startBaton({
    command,
    env: { ...env, SOCKET: work.join("s") },
    flags: ["--order", "stop-first"],
  });
}

describe("a reload with --order stop-first, at a Unix socket", () => {
  test(`${RESTARTS} times under 16 clients: none is lost`, TEST, async () => {
    using work = tempDir();
    const socket = work.join("s");
    await using baton = await startExclusive(work);
    await using load = unixLoad(socket);
    for (let i = 1; i <= RESTARTS; i++) {
      await load.answersMore(ENOUGH_REQUESTS);
      release(work, String(i + 1));
      const { result, reason } = await baton.reload();
      assert.equal(result, "ok", `${reason}\n${baton.stderr}`);
      await waitUntil(() => (load.tally.byVersion.get(String(i + 1)) ?? 0) > ENOUGH_REQUESTS, {
        what: `version ${i + 1} answers\n${baton.stderr}`,
      });
    }
    const tally = await load.stop();
    lostNone(tally, baton);
    process.stderr.write(`  ${formatTally(tally).split("\n")[0]}\n`);
    assert.equal((await baton.stop()).code, 0, baton.stderr);
    assert.equal(nodeInode(socket), undefined, "the server has removed its path at the end");
  });

  test("a version that does not start is followed by the one before it", TEST, async () => {
    using work = tempDir();
    await using baton = await startExclusive(work);
    await using load = unixLoad(work.join("s"));
    await load.answersMore(ENOUGH_REQUESTS);
    release(work, "broken");
    const { code, stderr } = await baton.cli("reload");
    assert.equal(code, 70, stderr);
    await load.answersMore(ENOUGH_REQUESTS);
    const tally = await load.stop();
    lostNone(tally, baton);
    assert.deepEqual([...tally.byVersion.keys()], ["1"]);
    assert.equal((await baton.stop()).code, 0, baton.stderr);
  });
});
