/** A generation that has ended is not kept in memory: neither by its successor's closures, nor by a timer, hook or list. */
import assert from "node:assert/strict";
import { chmodSync, existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { startBaton, UNDER_TEST, useBinary } from "../support/baton.ts";
import { freePort } from "../support/free_port.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { REPOSITORY } from "../support/programs.ts";
import { fixtureCommand } from "../support/servers.ts";
import { tempDir } from "../support/temp_dir.ts";
import { waitUntil } from "../support/wait_until.ts";

const RELOADS = 6;
/** The one that serves; and the latest one, which a look at the connections may still have in hand. */
const MOST_ALIVE = 2;
const CLASSES = ["RunningGeneration", "ServerProcess", "Drain"];

const WAYS: Readonly<Record<string, readonly string[]>> = {
  "without hooks": [],
  "with hooks, workers and a look at the memory": [
    "--workers=2",
    "--min-free=1M",
    "--hook=pre-start=true",
    "--hook=ready=true",
  ],
};

for (const [way, flags] of Object.entries(WAYS)) {
  test(`after ${RELOADS} reloads ${MOST_ALIVE} generations are in memory at most, ${way}`, {
    skip: UNDER_TEST === "bun" ? false : "the heap of Bun is looked at",
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    using work = tempDir();
    const counts = work.join("counts");
    const bun = join(REPOSITORY, "node_modules/.bin/bun");
    const preload = join(REPOSITORY, "test/support/heap_probe.ts");
    const source = join(REPOSITORY, "src/main_bun.ts");
    const start = work.write(
      "baton",
      `#!/bin/sh\nexec ${bun} --preload ${preload} ${source} "$@"\n`,
    );
    chmodSync(start, 0o755);
    const before = useBinary(start);
    try {
      const env = { PORT: String(await freePort()), HEAP_COUNTS: counts };
      await using baton = await startBaton({ command: fixtureCommand("node_http.js"), env, flags });
      for (let i = 0; i < RELOADS; i++) {
        assert.equal((await baton.reload()).result, "ok", baton.stderr);
        await baton.settled();
      }
      const alive = await waitUntil(async () => {
        rmSync(counts, { force: true });
        baton.signal("SIGWINCH");
        await waitUntil(() => existsSync(counts), { what: "the heap is counted" });
        const found = JSON.parse(readFileSync(counts, "utf8"));
        assert.ok(found.RunningGeneration >= 1, "the one that serves is found");
        const most = CLASSES.map((name) => [name, found[name] ?? 0] as const);
        const factor = flags.includes("--workers=2") ? 2 : 1;
        const isFew = most.every(([, count]) => count <= MOST_ALIVE * factor);
        if (!isFew) throw new Error(JSON.stringify(most));
        return most;
      }, { what: "few are left" });
      assert.ok(alive.length === CLASSES.length);
    } finally {
      useBinary(before);
    }
  });
}
