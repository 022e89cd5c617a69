/** The number of workers changes while clients come: `baton scale`, TTIN and TTOU. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { startWorkers } from "../support/workers.ts";

const TEST = { timeout: TEST_TIMEOUT_MS };
const EXIT_BUSY = 75;
const EXIT_FAILED = 70;

describe("baton scale", () => {
  test("up and down: each worker gets its part, and nothing is lost", TEST, async () => {
    await using service = await startWorkers(2);
    const { baton } = service;
    const up = await baton.cli("scale", "4");
    assert.equal(up.code, 0, up.stderr);
    assert.match(up.stdout, /^4 workers after \d+ ms\n$/);
    const four = await service.settled(4);
    const text = (await baton.cli("status")).stdout;
    assert.match(text, /^web: generation 0 serves with 4 of 4 workers, 2 configured \(/);
    assert.match(text, /^3 +0 +serving +\d+ /m);
    assert.deepEqual(four.map(({ number }) => number), [0, 1, 2, 3]);
    const pids = new Set(four.map(({ pid }) => pid!));
    assert.deepEqual(new Set([...await service.answering(200)].sort()), new Set([...pids].sort()));

    const down = await baton.cli("scale", "-3");
    assert.equal(down.code, 0, down.stderr);
    assert.match(down.stdout, /^1 worker after \d+ ms\n$/);
    const [last, ...more] = await service.settled(1);
    assert.deepEqual([last?.number, last?.pid, more], [0, four[0]?.pid, []], "the first stays");
    assert.deepEqual(await service.answering(50), new Set([last!.pid!]));
    const { generations } = await baton.status();
    assert.equal(generations.at(-1)?.connectionsCut, 0);
    await service.nothingLost();
  });

  test(
    "is what TTIN and TTOU do, and a later reload starts with the new number",
    TEST,
    async () => {
      await using service = await startWorkers(1);
      const { baton } = service;
      baton.signal("SIGTTIN");
      await service.settled(2);
      assert.equal((await baton.reload()).result, "ok");
      const { epoch } = await baton.settled();
      assert.deepEqual([epoch, (await service.settled(2)).length], [1, 2]);
      assert.deepEqual((await baton.status()).workers, { configured: 1, wanted: 2 });
      baton.signal("SIGTTOU");
      await service.settled(1);
      await service.nothingLost();
    },
  );

  test("starts what serves, not what the files are by now", TEST, async () => {
    await using service = await startWorkers(1);
    service.deploy(0);
    const { code, stderr } = await service.baton.cli("scale", "2");
    assert.equal(code, 0, stderr);
    await service.settled(2);
    await service.nothingLost();
  });

  test("leaves the number as it was when a worker fails", TEST, async () => {
    await using service = await startWorkers(2, { failFrom: 2 });
    const { baton } = service;
    const { code, stderr } = await baton.cli("scale", "3");
    assert.equal(code, EXIT_FAILED, stderr);
    assert.match(stderr, /^scale failed: worker 2 exited: exit status 3; still 2 workers$/m);
    await service.settled(2);
    const refused = await baton.cli("scale", "-2");
    assert.equal(refused.code, EXIT_BUSY);
    assert.match(refused.stderr, /^scale refused: one worker is the least.*; still 2 workers$/m);
    await service.nothingLost();
  });
});
