/** Reloads of several workers at once, under new and kept connections. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { IS_FULL, repeats } from "../support/repeats.ts";
import { startWorkers } from "../support/workers.ts";

const TEST = { timeout: TEST_TIMEOUT_MS };
const WORKERS = 4;
const RELOADS = repeats({ full: 20, quick: 1 });

const SPREADS = IS_FULL ? ["random", "least", "cpu"] : ["least"];

for (const spread of SPREADS) {
  test(
    `${RELOADS} reloads of ${WORKERS} workers with --spread ${spread} lose nothing`,
    TEST,
    async () => {
      await using service = await startWorkers(WORKERS, { flags: ["--spread", spread] });
      const { baton } = service;
      for (let i = 1; i <= RELOADS; i++) {
        assert.equal((await baton.reload()).result, "ok", baton.stderr);
        await baton.settled();
        const workers = await service.settled(WORKERS);
        const pids = new Set(workers.map(({ pid }) => pid!));
        for (const pid of await service.answering(100)) assert.ok(pids.has(pid), "of the new one");
        assert.equal((await baton.status()).epoch, i);
      }
      await service.nothingLost();
    },
  );
}
