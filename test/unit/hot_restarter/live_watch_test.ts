/** When a child counts as LIVE, by a clock that is moved by hand. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Seen } from "../../../src/hot_restarter/envoy_memory.ts";
import { LiveWatch } from "../../../src/hot_restarter/live_watch.ts";
import { FakeClock } from "../../support/fake_clock.ts";

const none: Seen = { kind: "none" };
const starting: Seen = { kind: "starting" };
const quiet: Seen = { kind: "quiet" };
const live: Seen = { kind: "live" };

/** @param seen from which millisecond on what is seen @returns what happens when */
async function watch(
  seen: readonly (readonly [fromMs: number, Seen])[],
  timeoutMs = 1_000,
): Promise<string[]> {
  const clock = new FakeClock();
  const happened: string[] = [];
  const startMs = clock.now();
  const atMs = () => clock.now() - startMs;
  const watcher = new LiveWatch({
    clock,
    timeoutMs,
    look: () => seen.findLast(([fromMs]) => fromMs <= atMs())?.[1] ?? none,
    onEvent: (event) => {
      const text = "text" in event ? ` ${event.text}` : "";
      happened.push(`${atMs()} ${event.kind}${text}`);
    },
  });
  watcher.start(1);
  await clock.advance(5_000);
  watcher.stop();
  return happened;
}

describe("LiveWatch", () => {
  test("is over with the first look that sees it LIVE", async () => {
    assert.deepEqual(await watch([[100, starting], [180, live]]), ["200 live"]);
  });

  test("a mark that is not set yet is no sign, nor is one that another has left", async () => {
    assert.deepEqual(await watch([[50, quiet], [500, starting], [700, live]]), ["700 live"]);
  });

  test("without workers of that name it waits longer", async () => {
    assert.deepEqual(await watch([[100, starting], [200, quiet]], 10_000), ["2200 live"]);
  });

  test("says once that it is late, and why, and looks on", async () => {
    assert.deepEqual(await watch([[100, starting], [3_000, live]]), [
      "1000 overdue after 1s (it still initializes)",
      "3000 live",
    ]);
    assert.match(
      (await watch([]))[0]!,
      /^1000 overdue after 1s \(it has no memory of Envoy's hot restart/,
    );
  });

  test("ends when nothing can be seen", async () => {
    assert.deepEqual(await watch([[50, { kind: "unseen", why: "EACCES" }]]), ["50 unseen EACCES"]);
    assert.deepEqual(await watch([[50, { kind: "apart", why: "other" }]]), ["50 apart other"]);
  });
});
