/**
 * Fault: a generation on trial crashes at random moments of its ramp; and baton itself is killed (SIGKILL) during a
 * trial, with --survive, and started again.
 *
 * Allowed outcome: what the crashed process had in its hands is lost, and nothing else; the generation before serves
 * on. A baton that is killed loses nothing: the next one rolls back.
 */
import assert from "node:assert/strict";
import process from "node:process";
import { describe, test } from "node:test";
import { startBaton } from "../support/baton.ts";
import { freePort } from "../support/free_port.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { formatTally, Load } from "../support/load.ts";
import { Random, testSeed } from "../support/random.ts";
import { repeats } from "../support/repeats.ts";
import { place, server } from "../support/servers.ts";
import { Succession } from "../support/succession.ts";
import { tempDir } from "../support/temp_dir.ts";
import { waitUntil } from "../support/wait_until.ts";

const TEST = { timeout: TEST_TIMEOUT_MS };
const CLIENTS = 4;
const CRASHES = repeats({ full: 8, quick: 3 });
const RAMP_MS = 5_000;
/** Well before its end, after which the new generation would be let in. */
const LATEST_MS = 1_500;
const EXIT_FAILED = 70;
const EXIT_BUSY = 75;

describe("on trial", () => {
  test(`a new generation crashes at ${CRASHES} random moments of its ramp`, TEST, async () => {
    const random = new Random(testSeed());
    using work = tempDir();
    const port = await freePort();
    const node = place(server("node"), { port, workDir: work.path });
    await using baton = await startBaton({ ...node, flags: ["--ramp", `${RAMP_MS}ms`] });
    await using load = new Load({ port, clients: CLIENTS }).start();
    for (let i = 1; i <= CRASHES; i++) {
      const reload = baton.cli("reload");
      await waitUntil(async () => (await baton.status()).trial, { what: "the ramp has begun" });
      const { generations } = await baton.status();
      const moment = random.next() * LATEST_MS;
      await new Promise((resolve) => setTimeout(resolve, moment));
      process.kill(generations.at(-1)!.pid!, "SIGKILL");
      const { code, stderr } = await reload;
      assert.equal(code, EXIT_FAILED, `at ${moment.toFixed(0)} ms: ${stderr}`);
      const { epoch, trial } = await baton.settled();
      assert.deepEqual([epoch, trial], [0, null]);
      await load.answersMore(20);
    }
    const tally = await load.stop();
    process.stderr.write(`  ${CRASHES} crashes: ${formatTally(tally).split("\n")[0]}\n`);
    assert.equal(tally.lost, tally.reset + tally.short, formatTally(tally));
    // Accepted by the crashed process, or waiting in its queue.
    assert.ok(tally.lost <= 2 * CLIENTS * CRASHES, formatTally(tally));
  });

  test("everybody decides at once: one is heard, and nothing is lost", TEST, async () => {
    using work = tempDir();
    const port = await freePort();
    const node = place(server("node"), { port, workDir: work.path });
    await using baton = await startBaton({ ...node, flags: ["--hold"] });
    await using load = new Load({ port, clients: CLIENTS }).start();
    await baton.reload();
    const verbs = ["promote", "rollback", "promote", "rollback", "reload", "promote"];
    const results = await Promise.all(verbs.map((verb) => baton.cli(verb)));
    const decisions = results.filter((_, i) => verbs[i] !== "reload").map(({ code }) => code);
    assert.deepEqual(
      decisions.toSorted(),
      [0, EXIT_BUSY, EXIT_BUSY, EXIT_BUSY, EXIT_BUSY].toSorted(),
    );
    const heard = verbs[results.findIndex(({ code }, i) => code === 0 && verbs[i] !== "reload")];
    // A reload that came after the decision is on trial now.
    if ((await baton.status()).trial !== null) await baton.cli("rollback");
    const { epoch } = await baton.settled();
    assert.equal(epoch, heard === "promote" ? 1 : 0);
    await load.answersMore(50);
    const tally = await load.stop();
    assert.equal(tally.lost, 0, `${formatTally(tally)}\n${baton.stderr}`);
  });

  for (const how of ["--canary 50%", "--ramp 60s", "--bake 60s", "--hold"]) {
    test(`baton is killed, with --survive, after reload ${how}`, TEST, async () => {
      using dir = tempDir("baton");
      using work = tempDir();
      const port = await freePort();
      const node = place(server("node"), { port, workDir: work.path });
      await using batons = new Succession({ ...node, dir });
      await batons.next();
      await using load = new Load({ port, clients: CLIENTS }).start();
      const reload = batons.baton.cli("reload", ...how.split(" "));
      await waitUntil(async () => (await batons.baton.status()).trial, { what: "it is on trial" });
      await load.answersMore(50);
      await batons.kill();
      await reload;
      await batons.next();
      const { epoch, trial, generations } = await batons.baton.settled();
      const { outcome, reason } = generations.find(({ epoch }) => epoch === 1)!;
      assert.deepEqual([epoch, trial, outcome], [0, null, "rolled back"]);
      assert.equal(reason, "baton was killed during its trial");
      await load.answersMore(50);
      const tally = await load.stop();
      assert.equal(tally.lost, 0, `${formatTally(tally)}\n${batons.baton.stderr}`);
    });
  }
});
