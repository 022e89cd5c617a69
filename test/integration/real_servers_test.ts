/**
 * The promise: an unmodified server is reloaded under continuous new connections, and no connection is
 * refused, reset, cut short or kept waiting; each reload ends with the old process gone.
 */
import assert from "node:assert/strict";
import process from "node:process";
import { describe, test } from "node:test";
import { startBaton, UNDER_TEST } from "../support/baton.ts";
import { freePort } from "../support/free_port.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { formatTally, Load } from "../support/load.ts";
import { IS_FULL, repeats } from "../support/repeats.ts";
import { place, SERVERS } from "../support/servers.ts";
import { tempDir } from "../support/temp_dir.ts";
import { alive } from "../support/proc.ts";

const RELOADS = repeats({ full: 10, quick: 3 });
/** What differs from server to server is shown on Bun; on Deno these are enough: one process, threads, workers. */
const ON_DENO = ["node", "go", "nginx"];
const TESTED = UNDER_TEST === "bun" || IS_FULL
  ? SERVERS
  : SERVERS.filter(({ id }) => ON_DENO.includes(id));

describe("reload under load loses no connection", () => {
  for (const server of TESTED) {
    const skip = server.needs() ?? false;
    test(
      `${server.id}: ${RELOADS} reloads lose nothing`,
      { skip, timeout: TEST_TIMEOUT_MS },
      async () => {
        using work = tempDir();
        const port = await freePort();
        await using baton = await startBaton(place(server, { port, workDir: work.path }));
        await using load = new Load({ port }).start();
        const durations: number[] = [];
        for (let i = 1; i <= RELOADS; i++) {
          const old = (await baton.status()).generations.find(({ state }) => state === "serving");
          const report = await baton.reload();
          assert.equal(report.result, "ok", `${report.reason}\n${report.output.join("\n")}`);
          assert.deepEqual(report.sharedFiles, [], "it shares no file that matters");
          durations.push(report.durationMs);
          const after = await baton.settled();
          assert.equal(after.epoch, i);
          assert.equal(alive(old?.pid ?? 0), false, `old process ${old?.pid} is gone`);
        }
        const tally = await load.stop();
        const line = `${server.id}: ${formatTally(tally)}; reloads took ${durations.join(" ")} ms`;
        assert.equal(
          tally.lost,
          0,
          `${line}\n${JSON.stringify(tally.errors, null, 1)}\n${baton.stderr}`,
        );
        assert.ok(tally.ok > RELOADS, line);
        process.stderr.write(`  ${line}\n`);
        const exit = await baton.stop();
        assert.equal(exit.code, 0, baton.stderr);
      },
    );
  }
});
