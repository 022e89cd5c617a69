/**
 * The promise for a service of several workers: baton can be killed, replaced by a new process or in place, or by another
 * baton, and nothing is lost; afterwards it is in charge of each worker.
 */
import assert from "node:assert/strict";
import process from "node:process";
import { describe, test } from "node:test";
import { type Baton, startBaton } from "../support/baton.ts";
import { freePort } from "../support/free_port.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { formatTally, Load } from "../support/load.ts";
import { alive, killTree } from "../support/proc.ts";
import { fixtureCommand } from "../support/servers.ts";
import { Succession } from "../support/succession.ts";
import { tempDir } from "../support/temp_dir.ts";
import { waitUntil } from "../support/wait_until.ts";

const WORKERS = 4;
const FLAGS = ["--workers", String(WORKERS)];
const OPTIONS = { timeout: TEST_TIMEOUT_MS };

function workerServer(port: number) {
  return { command: fixtureCommand("worker_http.js"), env: { PORT: String(port) } };
}

/** Pids of the serving generation's workers, in the order of their numbers, once all are there. */
async function workersOf(baton: Baton): Promise<number[]> {
  return await waitUntil(async () => {
    const { generations } = await baton.status();
    const serving = generations.find(({ state }) => state === "serving");
    const workers = serving?.workers.filter(({ state }) => state === "serving") ?? [];
    return workers.length === WORKERS ? workers.map(({ pid }) => pid!) : null;
  }, { what: `${WORKERS} workers serve\n${baton.stderr}` });
}

/** Each worker can be killed, and is replaced; the others stay. A reload replaces all. */
async function assertInCharge(baton: Baton): Promise<void> {
  const before = await workersOf(baton);
  const [first = 0, ...others] = before;
  process.kill(first, "SIGKILL");
  const after = await waitUntil(async () => {
    const workers = await workersOf(baton);
    return workers.includes(first) ? null : workers;
  }, { what: `worker 0 is replaced\n${baton.stderr}` });
  assert.deepEqual(after.slice(1), others);
  const { result } = await baton.reload();
  assert.equal(result, "ok", baton.stderr);
  await waitUntil(() => !after.some(alive), { what: "all workers were replaced" });
  await workersOf(baton);
}

/** Nothing was lost. */
async function assertLostNothing(load: Load, baton: Baton): Promise<void> {
  const tally = await load.stop();
  assert.equal(tally.lost, 0, `${formatTally(tally)}\n${baton.stderr}`);
}

describe("with 4 workers", () => {
  test("kill -9 of baton with --survive: the next one has the same workers", OPTIONS, async () => {
    using dir = tempDir("baton");
    const port = await freePort();
    await using batons = new Succession({ ...workerServer(port), dir });
    const flags = [...FLAGS, "--survive"];
    const workers = await workersOf(await batons.next(flags));
    await using load = new Load({ port }).start();
    await load.answersMore(50);
    await batons.kill();
    await load.answersMore(50);
    const next = await batons.next(flags);
    assert.deepEqual(await workersOf(next), workers);
    await load.answersMore(50);
    await assertLostNothing(load, next);
    await assertInCharge(next);
    await batons.look();
    assert.deepEqual(await next.stop(), { code: 0, signal: null });
    assert.deepEqual(batons.left, []);
  });

  for (const how of ["in place", "by a new process"] as const) {
    test(`an upgrade ${how} keeps all of them`, OPTIONS, async () => {
      const port = await freePort();
      await using baton = await startBaton({ ...workerServer(port), flags: FLAGS });
      const workers = await workersOf(baton);
      await using load = new Load({ port }).start();
      await load.answersMore(50);
      const words = how === "in place" ? ["--in-place"] : [];
      const { code, stderr } = await baton.cli("upgrade", ...words);
      assert.equal(code, 0, `${stderr}\n${baton.stderr}`);
      const { pid } = await baton.status();
      try {
        const after = await workersOf(baton);
        if (how === "in place") assert.deepEqual(after, workers);
        await waitUntil(() => pid === baton.pid || !alive(baton.pid), { what: "the old one ends" });
        await load.answersMore(50);
        await assertLostNothing(load, baton);
        await assertInCharge(baton);
      } finally {
        if (pid !== baton.pid) killTree(pid);
      }
    });
  }

  test("another baton takes over from it, and has as many", OPTIONS, async () => {
    using work = tempDir();
    const port = await freePort();
    const socket = work.join("handoff");
    const start = (flags: string[]) =>
      startBaton({
        ...workerServer(port),
        flags: [...FLAGS, "--handoff-socket", socket, ...flags],
      });
    await using old = await start([]);
    await workersOf(old);
    await using load = new Load({ port }).start();
    await load.answersMore(50);
    await using next = await start(["--takeover", socket]);
    assert.deepEqual(await old.exited, { code: 0, signal: null }, old.stderr);
    await workersOf(next);
    await load.answersMore(50);
    await assertLostNothing(load, next);
    await assertInCharge(next);
  });
});
