/**
 * Fault: baton is killed (SIGKILL) at any moment, with --survive, and started again.
 *
 * Allowed outcome: the server serves on as if nothing had been, no connection is refused or lost, and the
 * next baton of the same name continues with it: one serving generation, reloads and later binds work.
 */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import process from "node:process";
import { describe, test } from "node:test";
import { freePort } from "../support/free_port.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { formatTally, Load } from "../support/load.ts";
import { alive } from "../support/proc.ts";
import { Random, testSeed } from "../support/random.ts";
import { repeats } from "../support/repeats.ts";
import { place, server } from "../support/servers.ts";
import { Succession } from "../support/succession.ts";
import { tempDir } from "../support/temp_dir.ts";

/** Random moments in all, and how many tests they are divided into. */
const MOMENTS = repeats({
  full: Number(process.env["BATON_TEST_MOMENTS"] ?? 100),
  quick: 24,
});
const PARTS = 4;
/** The switch is halfway: then the old generation drains, stops and is gone. */
const PART_AFTER_SWITCH = 2;
/** Enough that a moment without a listener is noticed, few enough that a reload takes no longer for them. */
const CLIENTS = 4;

describe("baton is killed, with --survive", () => {
  const seed = testSeed();
  const moments = Math.ceil(MOMENTS / PARTS);
  const parts = Array.from({ length: PARTS }, (_, part) => part);
  for (const part of parts) {
    test(`${moments} times at random moments of a reload, and started again (part ${part + 1})`, {
      timeout: TEST_TIMEOUT_MS,
    }, async () => {
      const random = new Random(seed + part);
      using dir = tempDir("baton");
      using work = tempDir();
      const port = await freePort();
      await using batons = new Succession({
        ...place(server("node"), { port, workDir: work.path }),
        dir,
      });
      await batons.next();
      await using load = new Load({ port, clients: CLIENTS })
        .start();
      const { durationMs } = await batons.baton.reload();
      let restarts = (await batons.baton.status()).restarts;
      for (let i = 1; i <= moments; i++) {
        const moment = random.next() * durationMs * PART_AFTER_SWITCH;
        const where = `moment ${i}: ${moment.toFixed(1)} ms after the request`;
        const reload = batons.baton.reload().catch(() => null);
        await new Promise((resolve) => setTimeout(resolve, moment));
        await batons.kill();
        await reload;
        const before = batons.baton.stderr;
        await batons.next();
        const snapshot = await batons.baton.status();
        assert.equal(snapshot.incarnation, i, where);
        const serving = snapshot.generations.filter(({ state }) => state === "serving");
        assert.equal(serving.length, 1, where);
        assert.ok(snapshot.restarts.ok >= restarts.ok, `${where}: counters never go back`);
        assert.equal(load.tally.lost, 0, `${where}\n${formatTally(load.tally)}\n${before}`);
        restarts = snapshot.restarts;
      }
      const snapshot = await batons.baton.settled();
      const serving = snapshot.generations.find(({ state }) => state === "serving")?.pid;
      assert.equal((await batons.baton.reload()).result, "ok", "it reloads as ever");
      await batons.baton.settled();
      await batons.look();
      const tally = await load.stop();
      assert.equal(tally.lost, 0, `${formatTally(tally)}\n${batons.baton.stderr}`);
      process.stderr.write(`  ${moments} kills: ${formatTally(tally)}\n`);
      assert.equal(alive(Number(serving)), false, "the generation that was adopted has ended");
      assert.deepEqual(await batons.baton.stop(), { code: 0, signal: null });
      assert.deepEqual(batons.left, [], "nothing is left behind");
      assert.equal(existsSync(dir.join("web.hold")), false);
    });
  }
});
