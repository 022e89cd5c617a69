/**
 * The promise under bad manners: however many reloads are asked for, and whenever a stop comes in between, there is
 * one serving generation or an orderly end, and nothing is left over.
 */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import process from "node:process";
import { describe, test } from "node:test";
import { type Baton, startBaton } from "../support/baton.ts";
import { freePort } from "../support/free_port.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { formatTally, Load, type Tally } from "../support/load.ts";
import { alive, children, openFds } from "../support/proc.ts";
import { deploy, fixtureCommand, place, server } from "../support/servers.ts";
import { type TempDir, tempDir } from "../support/temp_dir.ts";
import { waitUntil } from "../support/wait_until.ts";

const SIGNALS = 200;
const STORM_MS = 2_000;
const MAX_GENERATIONS = 3;

function show(tally: Tally, baton: Baton): string {
  return `${formatTally(tally)}\n${baton.stderr.slice(-5_000)}`;
}

/** What a leak would make grow. */
interface Level {
  readonly processes: number;
  readonly descriptors: number;
  readonly watches: number;
  readonly members: number;
  readonly files: number;
}

async function level(baton: Baton): Promise<Level> {
  const { listeners, self } = await baton.status();
  return {
    processes: children(baton.pid).length,
    descriptors: openFds(baton.pid).size,
    watches: self.watches,
    members: listeners.flatMap(({ members }) => members).length,
    files: readdirSync(baton.dir.path).length,
  };
}

/** Processes that this one started: launchers and servers. */
function ownChildren(pid: number): number[] {
  return readdirSync(`/proc/${pid}/task`).flatMap((task) =>
    readFileSync(`/proc/${pid}/task/${task}/children`, "utf8").split(" ").filter(Boolean)
  ).map(Number);
}

/** The most that was ever seen alive, by what baton says and by what the kernel says. */
class Watcher implements AsyncDisposable {
  mostByStatus = 0;
  mostByProc = 0;
  samples = 0;
  #stopping = false;
  readonly #done: Promise<void>;

  constructor(readonly baton: Baton) {
    this.#done = this.#watch();
  }

  async #watch(): Promise<void> {
    while (!this.#stopping) {
      this.mostByProc = Math.max(this.mostByProc, ownChildren(this.baton.pid).filter(alive).length);
      const { generations } = await this.baton.status();
      const living = generations.filter(({ state }) => state !== "exited").length;
      this.mostByStatus = Math.max(this.mostByStatus, living);
      this.samples++;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping = true;
    await this.#done;
  }
}

const go = server("go");
test(`${SIGNALS} SIGHUPs in ${STORM_MS} ms lose nothing and leave one generation`, {
  skip: go.needs() ?? false,
  timeout: TEST_TIMEOUT_MS,
}, async () => {
  using work = tempDir();
  const port = await freePort();
  const flags = ["--max-generations", String(MAX_GENERATIONS)];
  await using baton = await startBaton({ ...place(go, { port, workDir: work.path }), flags });
  // The first reload is a warm-up of the runtime.
  assert.equal((await baton.reload()).result, "ok");
  await baton.settled();
  const before = await level(baton);
  await using load = new Load({ port }).start();
  const watcher = new Watcher(baton);
  const startedAt = performance.now();
  for (let sent = 0; sent < SIGNALS; sent++) {
    await waitUntil(() => performance.now() - startedAt >= sent * STORM_MS / SIGNALS, {
      what: "it is time for the next signal",
    });
    baton.signal("SIGHUP");
  }
  const tookMs = performance.now() - startedAt;
  const snapshot = await baton.settled();
  await watcher[Symbol.asyncDispose]();
  const tally = await load.stop();
  const figures = `${SIGNALS} signals in ${tookMs.toFixed(0)} ms gave ${snapshot.restarts.ok} ` +
    `generations; at most ${watcher.mostByStatus} alive by status, ${watcher.mostByProc} by /proc ` +
    `(${watcher.samples} samples); ${formatTally(tally)}`;
  process.stderr.write(`  ${figures}\n`);
  assert.equal(tally.lost, 0, show(tally, baton));
  assert.equal(snapshot.restarts.failed, 0, baton.stderr);
  assert.equal(snapshot.epoch, snapshot.restarts.ok);
  assert.ok(snapshot.restarts.ok >= 3, figures);
  assert.ok(watcher.samples >= 10, figures);
  assert.ok(watcher.mostByStatus <= MAX_GENERATIONS, figures);
  assert.ok(watcher.mostByProc <= MAX_GENERATIONS, figures);
  // Dead members that stand before the serving one are closed in the course of the next reload, when
  // that moves nothing that the program names (steering/kernel_array.ts).
  assert.equal((await baton.reload()).result, "ok");
  await baton.settled();
  await waitUntil(async () => {
    assert.deepEqual(await level(baton), before);
    return true;
  }, { what: "everything is as before" });
  assert.equal((await baton.stop()).code, 0, baton.stderr);
});

describe("a stop", () => {
  /** baton with a service whose next version never comes up. */
  async function withHangingDeploy(work: TempDir, port: number): Promise<Baton> {
    const target = work.join("target");
    const env = { PORT: String(port) };
    deploy(target, { command: fixtureCommand("node_http.js"), env });
    const baton = await startBaton({
      command: fixtureCommand("switch.sh"),
      env: { TARGET_FILE: target },
    });
    deploy(target, { command: fixtureCommand("hangs.js"), env });
    return baton;
  }

  async function candidate(baton: Baton, epoch: number): Promise<number> {
    return await waitUntil(async () => {
      const { generations } = await baton.status();
      return generations.find((each) => each.epoch === epoch && each.state === "starting")?.pid;
    }, { what: `generation ${epoch} is starting` });
  }

  test("during a reload ends the candidate at once and finishes what is in flight", {
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    using work = tempDir();
    const port = await freePort();
    await using baton = await withHangingDeploy(work, port);
    const request = { port, clients: 4, maxRequests: 4, path: "/slow?ms=2000" };
    await using load = new Load(request).start();
    await waitUntil(async () => (await baton.status()).generations[0]?.connections.busy === 4, {
      what: "all requests are in flight",
    });
    const reload = baton.reload();
    const pid = await candidate(baton, 1);
    baton.signal("SIGTERM");
    const report = await reload;
    assert.equal(report.result, "refused");
    assert.match(report.reason ?? "", /stopping/);
    await waitUntil(() => !alive(pid), { what: "the candidate is gone" });
    assert.equal(load.tally.ok, 0, "the candidate was not waited for");
    const tally = await load.finished();
    assert.equal(tally.ok, 4, show(tally, baton));
    assert.equal((await baton.exited).code, 0, baton.stderr);
  });

  test("during the first start ends it at once", { timeout: TEST_TIMEOUT_MS }, async () => {
    await using baton = await startBaton({
      command: fixtureCommand("hangs.js"),
      env: {},
      expectFailure: true,
    });
    const pid = await candidate(baton, 0);
    const askedAt = performance.now();
    const exit = await baton.stop();
    assert.ok(performance.now() - askedAt < 5_000);
    assert.equal(alive(pid), false);
    assert.equal(exit.code, 0, baton.stderr);
  });

  test("refuses the reloads that come after it", { timeout: TEST_TIMEOUT_MS }, async () => {
    using dir = tempDir();
    const port = await freePort();
    await using baton = await startBaton({
      command: fixtureCommand("held_answers.js"),
      env: { PORT: String(port), RELEASE: dir.join("release") },
    });
    const request = { port, clients: 1, maxRequests: 1, path: "/hold" };
    await using load = new Load(request).start();
    await waitUntil(async () => (await baton.status()).generations[0]?.connections.busy === 1, {
      what: "the request is in flight",
    });
    baton.signal("SIGTERM");
    await waitUntil(async () => (await baton.status()).generations[0]?.state === "draining", {
      what: "the stop has begun",
    });
    const report = await baton.reload();
    assert.equal(report.result, "refused");
    assert.match(report.reason ?? "", /stopping/);
    assert.equal((await baton.cli("reload")).code, 75);
    baton.signal("SIGHUP");
    dir.write("release", "");
    const tally = await load.finished();
    assert.equal(tally.ok, 1, show(tally, baton));
    assert.equal((await baton.exited).code, 0, baton.stderr);
    assert.doesNotMatch(baton.stderr, /generation 1/);
  });
});
