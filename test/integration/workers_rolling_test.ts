/** Rolling reloads: one worker after the other, under new and kept connections. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { IS_FULL, repeats } from "../support/repeats.ts";
import { startWorkers } from "../support/workers.ts";

const TEST = { timeout: TEST_TIMEOUT_MS };
const WORKERS = repeats({ full: 4, quick: 3 });
const RELOADS = repeats({ full: 20, quick: 1 });

interface Kind {
  readonly name: string;
  readonly flags: readonly string[];
  readonly most: number;
}

const KINDS: readonly Kind[] = [
  { name: "one by one", flags: ["--rolling"], most: WORKERS + 1 },
  { name: "all at once", flags: [], most: 2 * WORKERS },
];

for (const { name, flags, most } of IS_FULL ? KINDS : KINDS.slice(0, 1)) {
  test(`${RELOADS} reloads of ${WORKERS} workers, ${name}: nothing is lost`, TEST, async () => {
    await using service = await startWorkers(WORKERS, { flags });
    const { baton } = service;
    for (let i = 1; i <= RELOADS; i++) {
      const seen = await service.mostDuring(baton.reload().then(() => baton.settled()));
      assert.equal(seen, most, `at a time\n${baton.stderr}`);
      const workers = await service.settled(WORKERS);
      const pids = new Set(workers.map(({ pid }) => pid!));
      for (const pid of await service.answering(100)) assert.ok(pids.has(pid), "of the new one");
      assert.equal((await baton.status()).epoch, i);
    }
    await service.nothingLost();
  });
}

test(
  "a rolling reload that fails half-way leaves all old workers: nothing is lost",
  TEST,
  async () => {
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
  },
);
