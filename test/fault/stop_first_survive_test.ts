/**
 * Fault: baton is killed (SIGKILL) in the middle of a reload that stops the old server before it starts the new one.
 *
 * Allowed outcome: clients wait a little longer, none is refused or reset, the server is never run twice, and the next
 * baton of the same name brings the service back.
 */
import assert from "node:assert/strict";
import process from "node:process";
import { describe, test } from "node:test";
import type { Baton } from "../support/baton.ts";
import { exclusive, release } from "../support/exclusive.ts";
import { freePort } from "../support/free_port.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { formatTally, Load } from "../support/load.ts";
import { Random, testSeed } from "../support/random.ts";
import { repeats } from "../support/repeats.ts";
import { Succession } from "../support/succession.ts";
import { tempDir } from "../support/temp_dir.ts";
import { waitUntil } from "../support/wait_until.ts";

const TEST = { timeout: TEST_TIMEOUT_MS };
const CLIENTS = 8;
/** Random moments, besides the steps that are waited for. */
const MOMENTS = repeats({ full: 40, quick: 2 });
const FLAGS = [
  "--survive",
  "--order",
  "stop-first",
  "--hook",
  "ready=sleep 0.3",
  "--log-level",
  "debug",
];

/** Whether a generation is in this state; `count` others are alive. */
function inState(state: string) {
  return async (baton: Baton) => {
    const { generations } = await baton.status();
    return generations.some((each) => each.state === state);
  };
}

/** What has begun when baton is killed. */
const STEPS: readonly (readonly [what: string, hasBegun: (baton: Baton) => Promise<boolean>])[] = [
  ["new connections wait", (baton) => Promise.resolve(/makes room/.test(baton.stderr))],
  ["the old server drains", (baton) => Promise.resolve(/generation \d+ drains/.test(baton.stderr))],
  ["the old server stops", inState("stopping")],
  ["the new server starts", (baton) => Promise.resolve(/generation \d+ starts/.test(baton.stderr))],
  [
    "the new server listens",
    (baton) => Promise.resolve(/generation \d+ listens/.test(baton.stderr)),
  ],
];

describe("baton is killed in a reload that stops the server first, with --survive", () => {
  test(`when each step has begun, and at ${MOMENTS} random moments`, TEST, async () => {
    const random = new Random(testSeed());
    using dir = tempDir("baton");
    using work = tempDir();
    const port = await freePort();
    release(work, "1");
    await using batons = new Succession({ ...exclusive(work, port), dir });
    await batons.next(FLAGS);
    await using load = new Load({ port, clients: CLIENTS, timeoutMs: TEST_TIMEOUT_MS }).start();
    await load.answersMore(CLIENTS);
    const { durationMs } = await batons.baton.reload();
    await batons.baton.settled();

    const killIn = async (what: string, moment: (baton: Baton) => Promise<unknown>) => {
      const { baton } = batons;
      baton.stderr = "";
      const reload = baton.reload().catch(() => null);
      await moment(baton);
      await batons.kill();
      await reload;
      await batons.next(FLAGS);
      const story = () =>
        `${what}\n${
          formatTally(load.tally)
        }\n${baton.stderr}\n-- the next one:\n${batons.baton.stderr}`;
      const { generations } = await batons.baton.settled();
      assert.equal(generations.filter(({ state }) => state === "serving").length, 1, story());
      await load.answersMore(CLIENTS);
      assert.equal(load.tally.lost, 0, story());
      assert.doesNotMatch(baton.stderr + batons.baton.stderr, /in use by another/, story());
    };
    for (const [what, hasBegun] of STEPS) {
      const moment = (baton: Baton) => waitUntil(() => hasBegun(baton), { what });
      await killIn(what, moment);
    }
    for (let i = 0; i < MOMENTS; i++) {
      const atMs = random.next() * durationMs;
      await killIn(`${atMs.toFixed(1)} ms after the request`, () => {
        return new Promise((resolve) => setTimeout(resolve, atMs));
      });
    }
    assert.equal((await batons.baton.reload()).result, "ok", "it reloads as ever");
    const tally = await load.stop();
    assert.equal(tally.lost, 0, formatTally(tally));
    process.stderr.write(`  ${STEPS.length + MOMENTS} kills: ${formatTally(tally)}\n`);
    assert.deepEqual(await batons.baton.stop(), { code: 0, signal: null });
    assert.deepEqual(batons.left, [], "nothing is left behind");
  });
});
