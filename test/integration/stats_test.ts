/**
 * The promise: what a service has counted can be read at any time, whatever its baton does, and never goes back: through
 * reloads, upgrades, a takeover, and batons that are killed (--survive).
 */
import assert from "node:assert/strict";
import { lstatSync, readlinkSync, rmSync } from "node:fs";
import process from "node:process";
import { describe, test } from "node:test";
import { C } from "../../src/platform/libc/constants.ts";
import type { Platform } from "../../src/platform/platform.ts";
import { mapShared } from "../../src/platform/shared_memory.ts";
import { readSlots, REGION_SIZE } from "../../src/stats/layout.ts";
import { mergeSeries, sampleOf } from "../../src/stats/merge.ts";
import { readStats } from "../../src/stats/read_file.ts";
import { type Sample, seriesText } from "../../src/stats/series.ts";
import { type Baton, batonCommand, runCommand, startBaton } from "../support/baton.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { Load } from "../support/load.ts";
import { AS_NOBODY } from "../support/refusals.ts";
import { repeats } from "../support/repeats.ts";
import { Pair } from "../support/takeover_pair.ts";
import { SeenProcesses } from "../support/seen_processes.ts";
import { tempDir } from "../support/temp_dir.ts";
import { testPlatform } from "../support/test_platform.ts";
import { waitUntil } from "../support/wait_until.ts";

const timeout = TEST_TIMEOUT_MS;
const NOBODY = 65534;
const READ_EVERY_MS = 10;

/** Reads a hundred times a second, and notes each series that has gone back. */
class Reader implements Disposable {
  readonly complaints: string[] = [];
  reads = 0;
  readonly #latest = new Map<string, number>();
  readonly #timer = setInterval(() => this.#read(), READ_EVERY_MS);

  /** @param look null: there is nothing to read now */
  constructor(readonly look: () => readonly Sample[] | null) {}

  #read(): void {
    let samples: readonly Sample[] | null;
    try {
      samples = this.look();
    } catch (error) {
      this.complaints.push(String(error));
      return;
    }
    if (samples === null) return;
    this.reads++;
    const counted = samples.filter(({ kind }) => kind === "counter" || kind === "histogram");
    const now = new Map(counted.flatMap((sample) => numbersOf(sample)));
    for (const [name, before] of this.#latest) {
      const value = now.get(name);
      if (value === undefined || value < before) {
        this.complaints.push(`${name}: ${value} after ${before}`);
      }
    }
    for (const [name, value] of now) this.#latest.set(name, value);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}

function numbersOf(sample: Sample): [name: string, value: number][] {
  const name = seriesText(sample);
  const buckets = sample.cumulative.map((value, i): [string, number] => [`${name} ${i}`, value]);
  return [[name, sample.value], [`${name} sum`, sample.sum], ...buckets];
}

/** The memory of the running baton, mapped once. */
function mappedAt(platform: Platform, path: string): () => Sample[] {
  using fd = platform.descriptors.open(path, C.O_RDONLY);
  const memory = mapShared(platform.libc, fd, REGION_SIZE, "read");
  return () => mergeSeries(readSlots(memory)).map(sampleOf);
}

async function statsOf(baton: Baton): Promise<Record<string, number>> {
  const { code, stdout, stderr } = await baton.cli("stats", "web", "--json");
  assert.equal(code, 0, stderr);
  const { series } = JSON.parse(stdout) as { readonly series: readonly Sample[] };
  return Object.fromEntries(series.map((sample) => [seriesText(sample), sample.value]));
}

const RELOADS = repeats({ full: 10, quick: 2 });
const UPGRADES = repeats({ full: 5, quick: 1 });
const IN_PLACE = repeats({ full: 2, quick: 1 });
const KILLS = repeats({ full: 2, quick: 1 });

describe("statistics", () => {
  test(
    `counters continue through ${RELOADS} reloads, ${UPGRADES} upgrades, ${IN_PLACE} in place, ${KILLS} kill -9, a takeover`,
    { timeout },
    async () => {
      await using platform = await testPlatform();
      using pair = await Pair.make();
      using dir = tempDir("baton");
      const batons: Baton[] = [];
      const seen = new SeenProcesses();
      const start = async (...flags: string[]) => {
        const baton = await startBaton({
          ...pair.server("1"),
          dir,
          flags: ["--survive", ...pair.old, ...flags],
        });
        batons.push(baton);
        return baton;
      };
      const look = async (baton: Baton) => {
        const { pid, generations } = await baton.status();
        for (const each of [pid, ...generations.flatMap(({ pid }) => pid ?? [])]) seen.add(each);
        return pid;
      };
      try {
        let baton = await start();
        const path = dir.join("web.stats");
        using anew = new Reader(() => readStats(platform, path));
        using mapped = new Reader(mappedAt(platform, path));
        const reload = async () => {
          assert.equal((await baton.reload()).result, "ok", baton.stderr);
          await look(baton);
        };
        const upgrade = async (...words: string[]) => {
          const { code, stderr } = await baton.cli("upgrade", "web", ...words);
          assert.equal(code, 0, `${stderr}\n${baton.stderr}`);
          const place = readlinkSync(path);
          assert.ok(place.startsWith(`/proc/${await look(baton)}/fd/`), `the old link: ${place}`);
        };
        for (let i = 0; i < RELOADS; i++) await reload();
        for (let i = 0; i < IN_PLACE; i++) await upgrade("--in-place");
        for (let i = 0; i < UPGRADES; i++) {
          await upgrade();
          await baton.settled();
        }
        for (let i = 0; i < KILLS; i++) {
          const pid = await look(baton);
          process.kill(pid, "SIGKILL");
          await waitUntil(() => !seen.alive.includes(pid), { what: "baton is dead" });
          baton = await start();
        }
        const old = baton;
        baton = await start("--takeover", pair.socket);
        await waitUntil(() => old.exit !== null, { what: "the old baton has ended" });
        await reload();
        await baton.settled();
        const found = await statsOf(baton);
        assert.deepEqual([anew.complaints, mapped.complaints], [[], []]);
        assert.ok(anew.reads > 20 && mapped.reads > 20, `${anew.reads}, ${mapped.reads} reads`);
        // A baton that replaces another one by a new process begins with a reload.
        const replaced = UPGRADES + 1;
        const restarts = await baton.status();
        assert.equal(found['baton_reloads_total{result="ok"}'], RELOADS + 1 + replaced);
        assert.equal(restarts.restarts.ok, RELOADS + 1 + replaced, "as status has it");
        assert.equal(found["baton_generations_started_total"], RELOADS + 2 + replaced);
        assert.equal(found["baton_gate_seconds"], RELOADS + 2 + replaced);
        assert.equal(found['baton_upgrades_total{result="ok"}'], IN_PLACE + replaced);
        assert.equal(found["baton_recoveries_total"], KILLS);
        assert.equal(found["baton_epoch"], restarts.epoch);
        assert.equal(found['baton_generations{state="serving"}'], 1);
        assert.equal(found['baton_generations{state="draining"}'], 0);
        assert.equal((await baton.stop()).code, 0);
        assert.equal(readStats(platform, path), null, "the link has gone with the service");
      } finally {
        seen.kill();
        for (const each of batons) await each[Symbol.asyncDispose]();
      }
    },
  );

  test("they are read while baton is stopped", { timeout }, async () => {
    using pair = await Pair.make();
    await using baton = await startBaton(pair.server("1"));
    const path = baton.dir.join("web.stats");
    baton.signal("SIGSTOP");
    try {
      const stats = await statsOf(baton);
      assert.equal(stats["baton_generations_started_total"], 1);
      const { code, stdout } = await baton.cli("stats", "web");
      assert.equal(code, 0);
      assert.match(stdout, /^baton_epoch +0$/m);
      assert.match(stdout, /^baton_gate_seconds +1, mean [\d.]+, sum [\d.]+$/m);
    } finally {
      baton.signal("SIGCONT");
    }
    assert.equal(readlinkSync(path).startsWith(`/proc/${baton.pid}/fd/`), true);
  });

  test("another user is refused", AS_NOBODY, async () => {
    using pair = await Pair.make();
    await using baton = await startBaton(pair.server("1"));
    const words = [...batonCommand(), "stats", "web", "--runtime-dir", baton.dir.path];
    const { code, stderr } = await runCommand(words, { uid: NOBODY });
    assert.equal(code, 71);
    assert.match(stderr, /Cannot read the statistics of "web" at .*: Cannot open .*: EACCES/);
  });

  test("a link that was removed is there again", { timeout }, async () => {
    using pair = await Pair.make();
    await using baton = await startBaton(pair.server("1"));
    const path = baton.dir.join("web.stats");
    const target = readlinkSync(path);
    rmSync(path);
    await waitUntil(() => lstatSync(path, { throwIfNoEntry: false }) !== undefined, {
      what: `the link is there again\n${baton.stderr}`,
    });
    assert.equal(readlinkSync(path), target);
  });

  test(
    "each client that waits for a server that is stopped first is counted",
    { timeout },
    async () => {
      using pair = await Pair.make();
      await using baton = await startBaton({
        ...pair.server("1"),
        flags: ["--order", "stop-first"],
      });
      await using load = new Load({ port: pair.port }).start();
      await waitUntil(() => load.tally.byVersion.size > 0, { what: "it answers" });
      const { held } = await baton.reload();
      const stats = await statsOf(baton);
      assert.ok(held !== null && held.clients > 0, "clients have waited");
      assert.equal(stats["baton_client_wait_seconds"], held.clients);
      await load.stop();
    },
  );

  test("without a baton there is nothing to read, and it says so", { timeout }, async () => {
    using pair = await Pair.make();
    using dir = tempDir("baton");
    await using baton = await startBaton({ ...pair.server("1"), dir });
    baton.signal("SIGKILL");
    await baton.exited;
    const { code, stderr } = await baton.cli("stats", "web");
    assert.equal(code, 71);
    assert.match(
      stderr,
      /Cannot read the statistics of "web" at .*web\.stats: no baton counts there/,
    );
  });
});
