/**
 * The promise: a server at a Unix socket stays reachable when baton is killed, replaced in place or by a child, or taken
 * over by another baton, and the next baton hands the path on as before.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { describe, test } from "node:test";
import { type Baton, startBaton } from "../support/baton.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { formatTally } from "../support/load.ts";
import { alive, killTree } from "../support/proc.ts";
import { Random, testSeed } from "../support/random.ts";
import { IS_FULL } from "../support/repeats.ts";
import { fixtureCommand } from "../support/servers.ts";
import { servingPid } from "../support/serving_pid.ts";
import { Succession } from "../support/succession.ts";
import { alone } from "../support/takeover_pair.ts";
import { tempDir } from "../support/temp_dir.ts";
import { lostNone, nodeAt, nodeInode, unixLoad } from "../support/unix_service.ts";
import { waitUntil } from "../support/wait_until.ts";

const TEST = { timeout: TEST_TIMEOUT_MS };
const ENOUGH_REQUESTS = 50;
const KILLS = 25;
const CLIENTS = 4;

async function reloads(baton: Baton): Promise<void> {
  const { result, reason } = await baton.reload();
  assert.equal(result, "ok", `${reason}\n${baton.stderr}`);
  await baton.settled();
}

/** As a baton does that is killed after it has bound a socket for a generation. */
function leaveNode(path: string): void {
  const bind = "import socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])";
  assert.equal(spawnSync("python3", ["-c", bind, path]).status, 0);
}

describe("--survive, at a Unix socket", () => {
  test("baton is killed: the server serves on, and the next baton reloads it", TEST, async () => {
    using dir = tempDir("baton");
    using work = tempDir();
    const socket = work.join("s");
    await using batons = new Succession({ ...nodeAt(socket), dir });
    const first = await batons.next();
    await using load = unixLoad(socket);
    await reloads(first);
    const pid = servingPid(await first.status());
    leaveNode(work.join(".s.99"));
    await batons.kill();
    await load.answersMore(ENOUGH_REQUESTS);
    const second = await batons.next();
    assert.ok(!readdirSync(work.path).includes(".s.99"), "what the killed one has left is gone");
    assert.equal(servingPid(await second.status()), pid);
    await reloads(second);
    await reloads(second);
    await load.answersMore(ENOUGH_REQUESTS);
    lostNone(await load.stop(), first, second);
    assert.deepEqual(readdirSync(work.path), ["s"], "no node is left beside it");
    assert.equal((await second.stop()).code, 0, second.stderr);
  });

  test(`baton is killed ${KILLS} times at random moments of a reload`, {
    ...TEST,
    skip: IS_FULL ? false : "in make test-all",
  }, async () => {
    const random = new Random(testSeed());
    using dir = tempDir("baton");
    using work = tempDir();
    const socket = work.join("s");
    await using batons = new Succession({ ...nodeAt(socket), dir });
    await batons.next();
    await using load = unixLoad(socket, CLIENTS);
    const { durationMs } = await batons.baton.reload();
    for (let i = 1; i <= KILLS; i++) {
      const momentMs = random.next() * durationMs * 2;
      const where = `moment ${i}: ${momentMs.toFixed(1)} ms after the request`;
      const reload = batons.baton.reload().catch(() => null);
      await new Promise((resolve) => setTimeout(resolve, momentMs));
      await batons.kill();
      await reload;
      const before = batons.baton.stderr;
      await batons.next();
      const { generations } = await batons.baton.status();
      assert.equal(generations.filter(({ state }) => state === "serving").length, 1, where);
      assert.equal(load.tally.lost, 0, `${where}\n${formatTally(load.tally)}\n${before}`);
    }
    await batons.baton.settled();
    await reloads(batons.baton);
    await load.answersMore(ENOUGH_REQUESTS);
    lostNone(await load.stop(), batons.baton);
    assert.deepEqual(readdirSync(work.path), ["s"], "no node is left beside it");
    assert.equal((await batons.baton.stop()).code, 0, batons.baton.stderr);
  });
});

describe("an upgrade of baton, at a Unix socket", () => {
  test("in place: nothing is lost, and a reload works after it", TEST, async () => {
    using work = tempDir();
    const socket = work.join("s");
    await using baton = await startBaton(nodeAt(socket));
    await using load = unixLoad(socket);
    await reloads(baton);
    const node = nodeInode(socket);
    const { code, stderr } = await baton.cli("upgrade", "--in-place");
    assert.equal(code, 0, `${stderr}\n${baton.stderr}`);
    assert.equal(nodeInode(socket), node);
    await reloads(baton);
    assert.notEqual(nodeInode(socket), node);
    await load.answersMore(ENOUGH_REQUESTS);
    lostNone(await load.stop(), baton);
    assert.equal((await baton.stop()).code, 0, baton.stderr);
  });

  test("by a child: nothing is lost, and a reload works after it", TEST, async () => {
    using work = tempDir();
    const socket = work.join("s");
    await using baton = await startBaton(nodeAt(socket));
    await using load = unixLoad(socket);
    await load.answersMore(ENOUGH_REQUESTS);
    const { code, stdout, stderr } = await baton.cli("upgrade", "--json");
    assert.equal(code, 0, `${stderr}\n${baton.stderr}`);
    const { pid } = JSON.parse(stdout);
    try {
      await waitUntil(() => !alive(baton.pid), { what: `the old baton is gone\n${baton.stderr}` });
      await load.answersMore(ENOUGH_REQUESTS);
      assert.equal((await baton.reload()).result, "ok", baton.stderr);
      await load.answersMore(ENOUGH_REQUESTS);
      lostNone(await load.stop(), baton);
      assert.equal((await baton.cli("stop")).code, 0, baton.stderr);
    } finally {
      if (alive(pid)) killTree(pid);
    }
  });
});

describe("a takeover, at a Unix socket", () => {
  test("loses nothing, and leaves a baton that reloads", TEST, async () => {
    using work = tempDir();
    const [socket, handoff] = [work.join("s"), work.join("handoff")];
    await using old = await startBaton({
      ...nodeAt(socket),
      flags: ["--handoff-socket", handoff],
    });
    await using load = unixLoad(socket);
    await load.answersMore(ENOUGH_REQUESTS);
    await using baton = await startBaton({
      ...nodeAt(socket, "2"),
      flags: ["--takeover", handoff, "--handoff-socket", handoff],
    });
    await alone(baton, old);
    await waitUntil(() => (load.tally.byVersion.get("2") ?? 0) > ENOUGH_REQUESTS, {
      what: `version 2 answers\n${old.stderr}\n${baton.stderr}`,
    });
    await reloads(baton);
    await load.answersMore(ENOUGH_REQUESTS);
    lostNone(await load.stop(), old, baton);
    assert.equal((await baton.stop()).code, 0, baton.stderr);
  });

  test("fails without harm when the new server does not start", TEST, async () => {
    using work = tempDir();
    const [socket, handoff] = [work.join("s"), work.join("handoff")];
    await using old = await startBaton({
      ...nodeAt(socket),
      flags: ["--handoff-socket", handoff],
    });
    await using load = unixLoad(socket);
    const node = nodeInode(socket);
    await using baton = await startBaton({
      command: fixtureCommand("exits_at_once.js"),
      env: {},
      flags: ["--takeover", handoff],
      expectFailure: true,
    });
    assert.notEqual((await baton.exited).code, 0);
    await load.answersMore(ENOUGH_REQUESTS);
    assert.equal(nodeInode(socket), node);
    assert.equal((await old.reload()).result, "ok", old.stderr);
    lostNone(await load.stop(), old);
    assert.equal((await old.stop()).code, 0, old.stderr);
  });
});
