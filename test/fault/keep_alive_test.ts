/**
 * Fault: a process dies, hangs or is killed while keep-alive connections move.
 *
 * Allowed outcome: requests of a process that died may be lost, as with any crash. But no connection is ever silently
 * stuck: each ends in an answer or is closed within a bound, so nothing times out; and the service continues.
 */
import assert from "node:assert/strict";
import process from "node:process";
import { describe, test } from "node:test";
import { type Baton, startBaton } from "../support/baton.ts";
import { freePort } from "../support/free_port.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { formatTally, Load } from "../support/load.ts";
import { alive, openFds } from "../support/proc.ts";
import { Random, testSeed } from "../support/random.ts";
import { repeats } from "../support/repeats.ts";
import { place, server, type ServerId } from "../support/servers.ts";
import { Succession } from "../support/succession.ts";
import { tempDir } from "../support/temp_dir.ts";
import { waitUntil } from "../support/wait_until.ts";

const TEST = { timeout: TEST_TIMEOUT_MS };
const FLAGS = ["--keep-alive", "migrate", "--drain-time", "2s", "--stop-time", "1s"] as const;
const CLIENTS = 16;
/** Longer than --drain-time, --stop-time and whatever baton allows a connection on its way. */
const BOUND_MS = 20_000;
/** How many random moments of each kind are tried. */
const MOMENTS = repeats({
  full: Math.ceil(Number(process.env["BATON_TEST_MOMENTS"] ?? 100) / 20),
  quick: 2,
});
const RELOADS = repeats({ full: 200, quick: 15 });
/** Until everything is there that will be. */
const WARM_UP = repeats({ full: 10, quick: 5 });
/** Start, switch, drain, move and end of the old generation. */
const RELOAD_MS = 600;

function keptLoad(port: number, thinkTimeMs = 0): Load {
  const options = { clients: CLIENTS, mode: "keep-alive", timeoutMs: BOUND_MS } as const;
  return new Load({ ...options, port, thinkTimeMs }).start();
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

async function pidOf(baton: Baton, state: "serving" | "draining"): Promise<number | null> {
  const { generations } = await baton.status();
  return generations.find((each) => each.state === state)?.pid ?? null;
}

interface Story {
  readonly id: ServerId;
  /** Its process is ended, or stopped: one of the two servers. */
  victim(baton: Baton, old: number): Promise<number | null>;
  readonly signal: "SIGKILL" | "SIGSTOP";
}

/** Reloads under load and strikes at a random moment; then everybody must be answered again. */
async function strikeOften(random: Random, { id, victim, signal }: Story): Promise<void> {
  using work = tempDir();
  const port = await freePort();
  const runnable = place(server(id), { port, workDir: work.path });
  await using baton = await startBaton({
    ...runnable,
    flags: [...FLAGS, "--crash-delay", "10ms", "--crash-limit", "100"],
  });
  await using load = keptLoad(port);
  for (let i = 0; i < MOMENTS; i++) {
    await load.answersMore(CLIENTS);
    const old = await pidOf(baton, "serving");
    assert.ok(old !== null, baton.stderr);
    const reload = baton.reload().catch(() => null);
    await pause(random.below(RELOAD_MS));
    const struck = await victim(baton, old);
    if (struck !== null && alive(struck)) process.kill(struck, signal);
    await reload;
    await waitUntil(async () => {
      const { generations } = await baton.settled();
      // A process that was killed a moment ago may not have ended yet.
      return generations.every(({ state, pid }) => state === "exited" || pid !== struck);
    }, { what: `process ${struck} has been replaced\n${baton.stderr}` });
    await load.answersMore(2 * CLIENTS);
  }
  const tally = await load.stop();
  process.stderr.write(`  ${MOMENTS} times: ${formatTally(tally).split("\n")[0]}\n`);
  assert.equal(tally.timedOut + tally.unexpected + tally.other, 0, formatTally(tally));
}

describe("while keep-alive connections move", () => {
  const random = new Random(testSeed());
  const stories: [string, Story][] = [
    ["the old server is killed", {
      id: "node",
      victim: (_baton, old) => Promise.resolve(old),
      signal: "SIGKILL",
    }],
    ["the old server hangs", {
      id: "node",
      victim: (_baton, old) => Promise.resolve(old),
      signal: "SIGSTOP",
    }],
    ["the new server is killed", {
      id: "go",
      victim: (baton) => pidOf(baton, "serving"),
      signal: "SIGKILL",
    }],
  ];
  for (const [name, story] of stories) {
    test(`${name}: no client is stuck`, TEST, () => strikeOften(random, story));
  }

  test("baton is killed: its server ends, and no client is stuck", TEST, async () => {
    using work = tempDir();
    for (let i = 0; i < MOMENTS / 2; i++) {
      const port = await freePort();
      await using baton = await startBaton({
        ...place(server("node"), { port, workDir: work.path }),
        flags: [...FLAGS],
      });
      await using load = keptLoad(port);
      await load.answersMore(CLIENTS);
      const reload = baton.reload().catch(() => null);
      await pause(random.below(RELOAD_MS));
      process.kill(baton.pid, "SIGKILL");
      await reload;
      await baton.exited;
      const tally = await load.stop();
      assert.equal(tally.timedOut, 0, formatTally(tally));
    }
  });

  test("baton is killed, with --survive, and started again: no client is stuck", TEST, async () => {
    using dir = tempDir("baton");
    using work = tempDir();
    const port = await freePort();
    await using batons = new Succession({
      ...place(server("node"), { port, workDir: work.path }),
      dir,
    });
    const flags = ["--survive", ...FLAGS];
    await batons.next(flags);
    await using load = keptLoad(port, 5);
    for (let i = 0; i < MOMENTS; i++) {
      await load.answersMore(CLIENTS);
      const reload = batons.baton.reload().catch(() => null);
      await pause(random.below(RELOAD_MS));
      await batons.kill();
      await reload;
      await batons.next(flags);
      await load.answersMore(2 * CLIENTS);
    }
    await batons.baton.settled();
    await batons.look();
    const tally = await load.stop();
    process.stderr.write(`  ${MOMENTS} kills: ${formatTally(tally).split("\n")[0]}\n`);
    assert.equal(tally.timedOut + tally.refused, 0, formatTally(tally));
    assert.equal((await batons.baton.stop()).code, 0);
    assert.deepEqual(batons.left, [], "nothing is left behind");
  });
});

test(`${RELOADS} reloads with kept connections leave no descriptor behind`, {
  ...TEST,
  skip: server("go").needs() ?? false,
}, async () => {
  using work = tempDir();
  const port = await freePort();
  await using baton = await startBaton({
    ...place(server("go"), { port, workDir: work.path }),
    flags: ["--keep-alive", "migrate"],
  });
  await using load = keptLoad(port, 20);
  await load.answersMore(CLIENTS);
  let [first, moved] = [0, 0];
  for (let i = 1; i <= RELOADS; i++) {
    await baton.reload();
    moved += (await baton.settled()).lastReload?.connectionsKept?.moved ?? 0;
    if (i === WARM_UP) first = openFds(baton.pid).size;
  }
  const tally = await load.stop();
  process.stderr.write(`  ${RELOADS} reloads, ${moved} moved: ${formatTally(tally)}\n`);
  assert.equal(tally.lost, 0, formatTally(tally));
  assert.ok(moved > RELOADS * CLIENTS / 2, `${moved} connections moved`);
  const last = await waitUntil(() => {
    const { size } = openFds(baton.pid);
    return size <= first && size;
  }, { what: `as few descriptors as after ${WARM_UP} reloads, ${first}` });
  assert.ok(last > 0);
});
