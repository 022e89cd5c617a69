/**
 * baton stays in service for years of reloads: a hundred and more of them leave it as it was, in threads, descriptors,
 * watches, memory, processes and files.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import process from "node:process";
import { test } from "node:test";
import { type Baton, startBaton } from "../support/baton.ts";
import { freePort } from "../support/free_port.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { children, openFds, privateMemoryBytes } from "../support/proc.ts";
import { which } from "../support/programs.ts";
import { repeats } from "../support/repeats.ts";
import { fixtureCommand, place, server } from "../support/servers.ts";
import { tempDir } from "../support/temp_dir.ts";
import { waitUntil } from "../support/wait_until.ts";

const RELOADS = repeats({ full: 200, quick: 100 });
const MOST_RELOADS = 400;
/** Until the runtime has compiled what it will compile, and its heap has the size that it needs. */
const WARM_UP = repeats({ full: 60, quick: 40 });
const SAMPLE_EVERY = 20;
const MIB = 1024 * 1024;
/**
 * Under Deno V8 lets its heap grow to twice and three times of what is alive before it collects, and each of
 * its threads gets an arena from malloc: a noise that would hide a leak. This makes it collect early.
 */
const FRUGAL = {
  DENO_V8_FLAGS: "--max-semi-space-size=1,--optimize-for-size",
  MALLOC_ARENA_MAX: "1",
};
/** Over RELOADS - WARM_UP reloads or more; a leaked socket table or generation would be more. */
const MOST_MEMORY_GROWTH = 12 * MIB;

interface Figures {
  readonly threads: number;
  readonly descriptors: number;
  readonly watches: number;
  readonly processes: number;
  readonly files: readonly string[];
  readonly privateBytes: number;
}

async function figures(baton: Baton): Promise<Figures> {
  const { self, epoch } = await baton.status();
  return {
    threads: readdirSync(`/proc/${baton.pid}/task`).length,
    descriptors: openFds(baton.pid).size,
    watches: self.watches,
    processes: children(baton.pid).length,
    files: readdirSync(baton.dir.path).map((name) => name.replace(`.${epoch}`, ".N")).sort(),
    privateBytes: privateMemoryBytes(baton.pid) ?? 0,
  };
}

/** Lowest memory of the samples from `from` on: a sample just before a garbage collection says little. */
function lowest(samples: ReadonlyMap<number, Figures>, from: number, to: number): number {
  const chosen = [...samples].filter(([at]) => at >= from && at <= to);
  return Math.min(...chosen.map(([, { privateBytes }]) => privateBytes));
}

/** A start needs fewer. */
const MOST_LACKING = 16;
const prlimit = which("prlimit");

test("starts that fail for want of descriptors leave none behind", {
  skip: prlimit === null && "prlimit is not installed",
  timeout: TEST_TIMEOUT_MS,
}, async () => {
  const env = { PORT: String(await freePort()) };
  await using baton = await startBaton({ command: fixtureCommand("node_http.js"), env });
  const limit = (most: number) =>
    execFileSync(prlimit!, ["--pid", String(baton.pid), `--nofile=${most}:`]);
  const open = () => openFds(baton.pid);
  const usual = /Max open files +(\d+)/.exec(readFileSync(`/proc/${baton.pid}/limits`, "utf8"));
  await baton.reload();
  await baton.settled();
  const before = open().size;
  for (let epoch = 2; epoch < MOST_LACKING; epoch++) {
    limit(before + epoch - 2);
    process.kill(baton.pid, "SIGHUP");
    const isOver = new RegExp(`generation ${epoch} (failed|serves)`);
    await waitUntil(() => isOver.test(baton.stderr), { what: `${epoch} is over` });
    limit(Number(usual![1]));
    await baton.settled();
  }
  assert.match(baton.stderr, /failed: Cannot .*EMFILE/);
  await waitUntil(() => open().size <= before, {
    what: `${before} descriptors, as before: ${[...open()].join("; ")}`,
  });
});

const go = server("go");
test(`${RELOADS} reloads leave baton as it was`, {
  skip: go.needs() ?? false,
  timeout: TEST_TIMEOUT_MS,
}, async () => {
  using work = tempDir();
  const port = await freePort();
  const { command, env } = place(go, { port, workDir: work.path });
  await using baton = await startBaton({ command, env: { ...env, ...FRUGAL } });
  const samples = new Map<number, Figures>();
  let done = 0;
  const reloadUntil = async (last: number) => {
    while (done < last) {
      const report = await baton.reload();
      assert.equal(report.result, "ok", report.reason ?? "");
      await baton.settled();
      done++;
      if (done === 1 || done % SAMPLE_EVERY === 0) samples.set(done, await figures(baton));
    }
  };
  // A leak continues; a runtime that takes a step once, whenever it likes, does so in one half only.
  const growth = () => {
    const middle = WARM_UP + SAMPLE_EVERY * Math.floor((done - WARM_UP) / (2 * SAMPLE_EVERY));
    const first = lowest(samples, WARM_UP, WARM_UP + SAMPLE_EVERY);
    const second = lowest(samples, middle, middle + SAMPLE_EVERY);
    const last = lowest(samples, done - SAMPLE_EVERY, done);
    return 2 * Math.min(second - first, last - second);
  };
  await reloadUntil(RELOADS);
  // A heap that waits for its collector comes back to its size; what is leaked does not.
  while (growth() > MOST_MEMORY_GROWTH && done < MOST_RELOADS) {
    await reloadUntil(done + SAMPLE_EVERY);
  }
  for (const [at, { threads, descriptors, watches, privateBytes }] of samples) {
    const memory = (privateBytes / MIB).toFixed(1);
    process.stderr.write(
      `  after ${at} reloads: ${threads} threads, ${descriptors} descriptors, ` +
        `${watches} watches, ${memory} MiB private\n`,
    );
  }
  const warm = samples.get(WARM_UP);
  assert.ok(warm);
  await waitUntil(async () => {
    const now = await figures(baton);
    // The one that asked may still be seen, and the runtime ends idle threads when it likes.
    for (const what of ["threads", "descriptors", "watches"] as const) {
      assert.ok(now[what] <= warm[what], `${now[what]} ${what}, ${warm[what]} after the warm-up`);
    }
    assert.equal(now.processes, 1);
    assert.deepEqual(now.files, [
      "web.events",
      "web.lock",
      "web.notify.N",
      "web.sock",
      "web.stats",
    ]);
    return true;
  }, { what: "everything is as after the warm-up" });
  assert.ok(
    growth() <= MOST_MEMORY_GROWTH,
    `private memory grew by ${(growth() / MIB).toFixed(1)} MiB in ${done} reloads`,
  );
  assert.equal((await baton.stop()).code, 0, baton.stderr);
});
