/** Rolling reloads: one worker after the other, under new and kept connections. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { repeats } from "../support/repeats.ts";
import { startWorkers } from "../support/workers.ts";

const TEST = { timeout: TEST_TIMEOUT_MS };
const WORKERS = 4;
const RELOADS = repeats({ full: 20, quick: 1 });

describe("a rolling reload", () => {
  test(
    `of ${WORKERS} workers, ${RELOADS} times: never more than one too many, nothing is lost`,
    TEST,
    async () => {
      await using service = await startWorkers(WORKERS, { flags: ["--rolling"] });
      const { baton } = service;
      for (let i = 1; i <= RELOADS; i++) {
        const most = await service.mostDuring(baton.reload().then(() => baton.settled()));
        assert.equal(most, WORKERS + 1, baton.stderr);
        const workers = await service.settled(WORKERS);
        const pids = new Set(workers.map(({ pid }) => pid!));
        for (const pid of await service.answering(100)) assert.ok(pids.has(pid), "of the new one");
        assert.equal((await baton.status()).epoch, i);
      }
      await service.nothingLost();
    },
  );

  test("that fails half-way leaves all old workers serving: nothing is lost", TEST, async () => {
    await using service = await startWorkers(WORKERS);
    const { baton } = service;
    const before = await service.settled(WORKERS);
    service.deploy(2);
    const reload = baton.cli("reload", "--rolling");
    const most = await service.mostDuring(reload.then(() => baton.settled()));
    assert.ok(most <= WORKERS + 1, `${most} at a time\n${baton.stderr}`);
    const { code, stderr } = await reload;
    assert.equal(code, 70, stderr);
    assert.match(stderr, /rolled back: worker 2 exited: exit status 3/);
    const after = await service.settled(WORKERS);
    assert.equal((await baton.status()).epoch, 0);
    assert.ok(after.some(({ pid }) => before.some((each) => each.pid === pid)), "some never ended");
    const pids = new Set(after.map(({ pid }) => pid!));
    for (const pid of await service.answering(100)) assert.ok(pids.has(pid), "of the old one");
    await service.nothingLost();
  });
});
