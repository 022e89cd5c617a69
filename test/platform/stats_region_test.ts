/** Memory in which one baton after the other counts: in no moment is something counted twice, or not at all. */
import assert from "node:assert/strict";
import { rmSync, statSync, symlinkSync } from "node:fs";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { C } from "../../src/platform/libc/constants.ts";
import type { Platform } from "../../src/platform/platform.ts";
import { readStats } from "../../src/stats/read_file.ts";
import { Region } from "../../src/stats/region.ts";
import { Registry } from "../../src/stats/registry.ts";
import { readSlots, REGION_SIZE } from "../../src/stats/layout.ts";
import { mergeSeries, sampleOf } from "../../src/stats/merge.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { spawnChild } from "../support/own_child.ts";
import { repeats } from "../support/repeats.ts";
import { TWO_VALUES } from "../support/stats_writer.ts";
import { tempDir } from "../support/temp_dir.ts";
import { waitUntil } from "../support/wait_until.ts";
import { runtimeCommand, testPlatform } from "../support/test_platform.ts";

/** Reads that find another number than the one before: a busy machine runs reader and writer by turns. */
const CHANGES = repeats({ full: 50_000, quick: 100 });
const NAME = "baton_reloads_total";

/** A baton that continues with `region`'s memory, or begins. */
function baton(platform: Platform, before: Region | null = null) {
  const region = before === null
    ? Region.create(platform)
    : Region.continue(platform, platform.descriptors.duplicate(before.fd));
  const registry = new Registry();
  return { region, registry, counter: registry.counter(NAME) };
}

/** What a program sees that does not ask the baton. */
function seenBy(platform: Platform, region: Region): number | null {
  using dir = tempDir("stats");
  const path = dir.join("link");
  symlinkSync(`/proc/${platform.runtime.pid}/fd/${region.fd.number}`, path);
  return readStats(platform, path)?.find(({ name }) => name === NAME)?.value ?? null;
}

describe("Region", () => {
  test("what one baton counts, another process reads at once", async () => {
    await using platform = await testPlatform();
    const { region, registry, counter } = baton(platform);
    counter.add(3);
    assert.equal(seenBy(platform, region), null, "not before it serves");
    assert.equal(registry.attach(region), true);
    assert.equal(seenBy(platform, region), 3);
    counter.add(0.5);
    assert.equal(seenBy(platform, region), 3.5);
    region.close();
  });

  test("a successor adds to its predecessor's counts while both live, and after", async () => {
    await using platform = await testPlatform();
    const old = baton(platform);
    old.registry.attach(old.region);
    old.counter.add(10);
    const next = baton(platform, old.region);
    next.counter.add();
    assert.equal(seenBy(platform, old.region), 10, "it does not serve yet");
    next.registry.attach(next.region);
    assert.equal(seenBy(platform, old.region), 11);
    old.counter.add(5);
    assert.equal(seenBy(platform, old.region), 16, "the old one's drains count");
    next.registry.collect();
    assert.equal(seenBy(platform, next.region), 16, "it lives: its slot stays");
    old.counter.add();
    old.region.close();
    assert.equal(seenBy(platform, next.region), 17);
    next.registry.collect();
    assert.equal(seenBy(platform, next.region), 17);
    next.counter.add();
    assert.equal(seenBy(platform, next.region), 18);
    assert.deepEqual(next.registry.read().map(({ value }) => value), [18]);
    next.region.close();
  });

  test("a hundred batons, one after the other, find room", async () => {
    await using platform = await testPlatform();
    let last = baton(platform);
    last.registry.attach(last.region);
    last.counter.add();
    for (let i = 1; i < 100; i++) {
      const next = baton(platform, last.region);
      assert.equal(next.registry.attach(next.region), true);
      last.region.close();
      next.registry.collect();
      next.counter.add();
      last = next;
    }
    assert.equal(seenBy(platform, last.region), 100);
    last.region.close();
  });

  test("a successor that fails after it has counted leaves that to the baton that serves again", async () => {
    await using platform = await testPlatform();
    const old = baton(platform);
    old.registry.attach(old.region);
    old.counter.add(2);
    const failed = baton(platform, old.region);
    failed.registry.attach(failed.region);
    failed.counter.add(1);
    failed.region.close();
    old.registry.collect();
    old.counter.add(1);
    assert.equal(seenBy(platform, old.region), 4);
    old.region.close();
  });

  test("however many successors fail, the next one finds room", async () => {
    await using platform = await testPlatform();
    const old = baton(platform);
    old.registry.attach(old.region);
    for (let i = 0; i < 10; i++) {
      const failed = baton(platform, old.region);
      assert.equal(failed.registry.attach(failed.region), true, `successor ${i}`);
      failed.counter.add();
      failed.region.close();
      old.registry.collect();
    }
    assert.equal(seenBy(platform, old.region), 10);
    old.region.close();
  });

  test("batons that live keep their slots: one more counts for itself only", async () => {
    await using platform = await testPlatform();
    const first = baton(platform);
    const all = [first, ...Array.from({ length: 5 }, () => baton(platform, first.region))];
    const attached = all.map(({ registry, region }) => registry.attach(region));
    assert.deepEqual(attached, [true, true, true, true, true, false]);
    all[5]!.counter.add();
    assert.equal(seenBy(platform, first.region), 0);
    for (const { region } of all) region.close();
  });

  test(
    `${CHANGES} reads beside a writer that never pauses: no half of a number, and none goes back`,
    {
      timeout: TEST_TIMEOUT_MS,
    },
    async () => {
      await using platform = await testPlatform();
      const region = Region.create(platform);
      const place = `/proc/${platform.runtime.pid}/fd/${region.fd.number}`;
      const script = fileURLToPath(new URL("../support/stats_writer.ts", import.meta.url).href);
      const argv = [...runtimeCommand(script), place];
      await using writer = spawnChild(platform, { argv, env: { PATH: "", HOME: "/tmp" } });
      const samples = () => mergeSeries(readSlots(region.memory)).map(sampleOf);
      await waitUntil(() => samples().length > 0, { what: "it counts" });
      const seen = new Set<number>();
      let [last, changes] = [0, 0];
      while (changes < CHANGES) {
        const [count, gauge] = [NAME, "baton_epoch"].map((name) =>
          samples().find((sample) => sample.name === name)?.value ?? NaN
        ) as [number, number];
        assert.equal(writer.status, null, "it counts");
        assert.ok(count >= last, `${count} after ${last}`);
        if (count !== last) changes++;
        last = count;
        seen.add(gauge);
      }
      assert.deepEqual([...seen].sort(), [...TWO_VALUES].sort());
      region.close();
    },
  );

  test("its size cannot change, and only its user may open it", async () => {
    await using platform = await testPlatform();
    const { region } = baton(platform);
    const path = `/proc/self/fd/${region.fd.number}`;
    const { size, mode } = statSync(path);
    assert.equal(size, REGION_SIZE);
    assert.equal(mode & 0o777, 0o600);
    assert.equal(platform.libc.c.ftruncate(region.fd.number, 0), -1);
    region.close();
  });

  test("a link to something else is not opened", async () => {
    await using platform = await testPlatform();
    const { read, write } = platform.descriptors.pipe();
    using dir = tempDir("stats");
    const path = dir.join("link");
    const file = platform.descriptors.open(dir.write("file", "x".repeat(REGION_SIZE)), C.O_RDONLY);
    for (
      const target of [
        `/proc/self/fd/${read.number}`,
        `/proc/${platform.runtime.pid}/fd/${read.number}`,
        "/dev/zero",
        `/proc/${platform.runtime.pid}/fd/${file.number}`,
        "/proc/999999999/fd/3",
      ]
    ) {
      symlinkSync(target, path);
      assert.equal(readStats(platform, path), null, target);
      rmSync(path);
    }
    assert.equal(readStats(platform, path), null, "no link");
    file.close();
    read.close();
    write.close();
  });
});
