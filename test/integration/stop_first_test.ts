/**
 * The promise: a server that must not run twice is never run twice, and no client is refused or reset by a reload: new
 * connections wait while the old server ends and the new one starts. A version that does not start is followed by the
 * one before it, for which they wait as well.
 */
import assert from "node:assert/strict";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import process from "node:process";
import { describe, test } from "node:test";
import type { ReloadReport } from "../../src/report/reload_report.ts";
import { type Baton, startBaton } from "../support/baton.ts";
import { exclusive, release } from "../support/exclusive.ts";
import { freePort } from "../support/free_port.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { formatTally, Load } from "../support/load.ts";
import { repeats } from "../support/repeats.ts";
import { fixtureCommand } from "../support/servers.ts";
import { type TempDir, tempDir } from "../support/temp_dir.ts";
import { waitUntil } from "../support/wait_until.ts";

const TEST = { timeout: TEST_TIMEOUT_MS };
const STOP_FIRST = ["--order", "stop-first"];
const RESTARTS = repeats({ full: 10, quick: 3 });
const CLIENTS = 16;
/** What baton itself may add to a client's wait: ten times as much beside all other tests. */
const OWN_MS = repeats({ full: 100, quick: 1_000 });

interface World extends AsyncDisposable {
  readonly baton: Baton;
  readonly work: TempDir;
  readonly port: number;
}

async function start(...flags: string[]): Promise<World> {
  const work = tempDir();
  const port = await freePort();
  release(work, "1");
  const baton = await startBaton({
    ...exclusive(work, port),
    flags: [...STOP_FIRST, ...flags],
  });
  return {
    baton,
    work,
    port,
    async [Symbol.asyncDispose]() {
      await baton[Symbol.asyncDispose]();
      work[Symbol.dispose]();
    },
  };
}

function loadOn(port: number): Load {
  return new Load({ port, clients: CLIENTS, timeoutMs: TEST_TIMEOUT_MS }).start();
}

/** Duration of all phases with one of these names. */
function durationOf({ phases }: ReloadReport, ...names: string[]): number {
  return phases.filter(({ phase }) => names.includes(phase))
    .reduce((sum, { durationMs }) => sum + (durationMs ?? 0), 0);
}

describe("a reload with --order stop-first", () => {
  test(
    `${RESTARTS} times under ${CLIENTS} clients: none is lost, none waits longer than it must`,
    TEST,
    async () => {
      await using world = await start();
      const { baton, port } = world;
      const added: number[] = [];
      for (let restart = 1; restart <= RESTARTS; restart++) {
        await using load = loadOn(port);
        await load.answersMore(CLIENTS);
        const report = await baton.reload();
        await load.answersMore(CLIENTS);
        const tally = await load.stop();
        const story = `${formatTally(tally)}\n${JSON.stringify(report)}\n${baton.stderr}`;
        assert.equal(report.result, "ok", story);
        assert.equal(report.epoch, restart, story);
        assert.equal(tally.lost, 0, story);
        assert.equal(tally.byBody.size, 2, `the old server, and the new one\n${story}`);
        const { held } = report;
        assert.ok(held !== null && held.clients > 0 && held.overflows === 0, story);
        assert.ok(held.longestWaitMs <= held.durationMs + OWN_MS, story);
        const server = durationOf(report, "stopping") + durationOf(report, "starting", "probing");
        const longest = Math.round(tally.maxLatencyMs);
        added.push(longest - server);
        process.stderr.write(
          `  restart ${restart}: ${held.clients} clients waited, the longest ${longest} ms ` +
            `(baton says ${held.longestWaitMs}); the server's own stop and start: ${server} ms\n`,
        );
      }
      // Not beside other tests: a busy machine adds more than baton does.
      assert.ok(Math.min(...added) <= OWN_MS, `besides stop and start: ${added} ms`);
      const { order, orderReason, generations } = await baton.settled();
      assert.deepEqual([order, orderReason], ["stop-first", "--order stop-first"]);
      assert.ok(generations.every(({ outcome }) => outcome === "superseded" || outcome === null));
      assert.deepEqual(await baton.stop(), { code: 0, signal: null });
    },
  );

  test("of a version that does not start runs the one before it again", TEST, async () => {
    await using world = await start();
    const { baton, port, work } = world;
    await using load = loadOn(port);
    await load.answersMore(CLIENTS);
    release(work, "2");
    assert.equal((await baton.reload()).result, "ok");
    release(work, "broken");
    const { code, stderr } = await baton.cli("reload");
    await load.answersMore(CLIENTS);
    const tally = await load.stop();
    const story = `${stderr}\n${formatTally(tally)}\n${baton.stderr}`;
    assert.equal(code, 70, story);
    assert.match(stderr, /generation 2: it exited before it was ready: exit status 1/);
    assert.match(stderr, /generation 3 runs the version before it again/);
    assert.match(stderr, /this version is broken/);
    assert.equal(tally.lost, 0, story);
    assert.deepEqual([...tally.byVersion.keys()], ["1", "2"], story);
    const { lastReload, epoch, restarts } = await baton.settled();
    assert.deepEqual([epoch, lastReload?.epoch, lastReload?.restored], [3, 2, 3]);
    assert.equal(lastReload?.failedIn, "starting");
    assert.deepEqual(restarts, { ok: 1, failed: 1, crashes: 0 });

    release(work, "3");
    assert.equal((await baton.reload()).result, "ok", "as ever");
  });

  test(
    "of a server that first tries whether its port is free: those who wait are not lost",
    TEST,
    async () => {
      const port = await freePort();
      const command = fixtureCommand("tries_its_port.js");
      await using baton = await startBaton({
        command,
        env: { PORT: String(port) },
        flags: STOP_FIRST,
      });
      await using load = loadOn(port);
      await load.answersMore(CLIENTS);
      assert.equal((await baton.reload()).result, "ok");
      await load.answersMore(CLIENTS);
      const tally = await load.stop();
      assert.equal(tally.lost, 0, `${formatTally(tally)}\n${baton.stderr}`);
      assert.equal(tally.byBody.size, 2, formatTally(tally));
    },
  );

  test("asks all that may veto it before the old server is stopped", TEST, async () => {
    using log = tempDir();
    const note = (name: string) => `echo ${name} >> ${log.join("hooks")}`;
    await using world = await start(
      "--pre-flight",
      `${note("pre-flight")}; test ! -e ${log.join("veto")}`,
      ...["pre-start", "ready", "pre-drain", "post-stop"].flatMap((name) => {
        return ["--hook", `${name}=${note(name)}`];
      }),
    );
    const { baton, port } = world;
    await using load = loadOn(port);
    await load.answersMore(CLIENTS);
    writeFileSync(log.join("veto"), "");
    const vetoed = await baton.reload();
    assert.deepEqual([vetoed.result, vetoed.serving, vetoed.held], ["failed", 0, null]);
    assert.equal(load.tally.byBody.size, 1, "the server is still the same");
    rmSync(log.join("veto"));
    writeFileSync(log.join("hooks"), "");
    const report = await baton.reload();
    assert.equal(report.result, "ok", `${report.reason}\n${baton.stderr}`);
    const tally = await load.stop();
    assert.equal(tally.lost, 0, `${formatTally(tally)}\n${baton.stderr}`);
    assert.deepEqual(readFileSync(log.join("hooks"), "utf8").trim().split("\n"), [
      "pre-flight",
      "pre-start",
      "pre-drain",
      "post-stop",
      "ready",
    ]);
  });

  for (const flags of [["--ready", "http:/"], ["--listen"]]) {
    test(`works with ${flags[0]}`, TEST, async () => {
      const port = await freePort();
      using work = tempDir();
      release(work, "1");
      const [flag = "", value = `127.0.0.1:${port}`] = flags;
      await using baton = await startBaton({
        ...exclusive(work, port),
        flags: [...STOP_FIRST, flag, value],
      });
      await using load = loadOn(port);
      for (const [version, result] of [["2", "ok"], ["broken", "failed"], ["3", "ok"]] as const) {
        await load.answersMore(CLIENTS);
        release(work, version);
        assert.equal((await baton.reload()).result, result, baton.stderr);
      }
      await load.answersMore(CLIENTS);
      const tally = await load.stop();
      assert.equal(tally.lost, 0, `${formatTally(tally)}\n${baton.stderr}`);
      assert.deepEqual([...tally.byVersion.keys()], ["1", "2", "3"]);
    });
  }

  test("outlives an upgrade of baton, which keeps the server", TEST, async () => {
    await using world = await start();
    const { baton, port } = world;
    await using load = loadOn(port);
    await load.answersMore(CLIENTS);
    const { code, stderr } = await baton.cli("upgrade");
    assert.equal(code, 0, `${stderr}\n${baton.stderr}`);
    assert.match(baton.stderr, /in place, because the server must not run twice/);
    await load.answersMore(CLIENTS);
    assert.equal(load.tally.byBody.size, 1, "the server is still the same");
    assert.equal((await baton.reload()).result, "ok");
    await load.answersMore(CLIENTS);
    const tally = await load.stop();
    assert.equal(tally.lost, 0, `${formatTally(tally)}\n${baton.stderr}`);
  });

  test("is refused where two generations would have to run", TEST, async () => {
    for (const flags of [["--canary", "10%"], ["--bake", "1s"], ["--hold"], ["--ramp", "1s"]]) {
      const port = await freePort();
      using work = tempDir();
      release(work, "1");
      await using baton = await startBaton({
        ...exclusive(work, port),
        flags: [...STOP_FIRST, ...flags],
        expectFailure: true,
      });
      assert.equal((await baton.exited).code, 64);
      assert.match(baton.stderr, new RegExp(`Cannot use ${flags[0]}, for which two generations`));
    }
    await using world = await start();
    const { code, stderr } = await world.baton.cli("reload", "--bake", "1s");
    assert.deepEqual([code, /--bake, --hold and --rolling need --order start-first/.test(stderr)], [
      75,
      true,
    ]);
    const second = await world.baton.cli("reload", "--order", "start-first");
    assert.equal(second.code, 70, "the lock keeps a second one from starting");
    assert.match(second.stderr, /the data is in use by another process/);
  });

  test("stops at once while nothing serves", TEST, async () => {
    await using world = await start();
    const { baton, work } = world;
    release(work, "broken");
    const reload = baton.reload();
    await waitUntil(() => baton.stderr.includes("generation 1 starts"), { what: "none serves" });
    assert.deepEqual(await baton.stop(), { code: 0, signal: null });
    assert.equal((await reload).result, "refused");
  });
});
