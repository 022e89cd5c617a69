/** What is brought back, how often at most, and what is said of it. (With a real baton: test/integration.) */
import assert from "node:assert/strict";
import { chmodSync, existsSync, mkdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { describe, test } from "node:test";
import { RuntimeGuard } from "../../../src/admin/runtime_guard.ts";
import { type Clock, systemClock } from "../../../src/platform/clock.ts";
import { Platform } from "../../../src/platform/platform.ts";
import { FakeClock } from "../../support/fake_clock.ts";
import { TEST_TIMEOUT_MS } from "../../support/limits.ts";
import { type TempDir, tempDir } from "../../support/temp_dir.ts";
import { testRuntime } from "../../support/test_platform.ts";
import { waitUntil } from "../../support/wait_until.ts";

const OPTIONS = { timeout: TEST_TIMEOUT_MS };
const AT_ONCE = 5;

interface World {
  readonly rt: string;
  readonly dir: TempDir;
  readonly lines: string[];
  readonly guard: RuntimeGuard;
  /** How often the fixture was made. */
  made: number;
  /** Thrown in place of making it. */
  trouble: Error | null;
}

async function withGuard(
  use: (world: World) => Promise<void> | void,
  clock: Clock = systemClock({ shortPause: null }),
): Promise<void> {
  await using platform = Object.assign(new Platform(await testRuntime(), clock), {
    [Symbol.asyncDispose]: () => platform.close(),
  });
  using dir = tempDir();
  const rt = dir.join("rt");
  mkdirSync(rt, { mode: 0o700 });
  writeFileSync(`${rt}/web.sock`, "");
  const lines: string[] = [];
  const guard = new RuntimeGuard(platform, {
    directory: rt,
    paths: () => [{
      what: "control socket",
      path: `${rt}/web.sock`,
      isInPlace: () => existsSync(`${rt}/web.sock`),
      restore: () => {
        if (world.trouble !== null) throw world.trouble;
        writeFileSync(`${rt}/web.sock`, "");
        world.made++;
      },
    }],
    log: { warn: (text) => lines.push(text) },
    onRestored: () => {},
  });
  const world: World = { rt, dir, lines, guard, made: 0, trouble: null };
  try {
    await use(world);
  } finally {
    guard.close();
  }
  assert.equal(platform.reactor.size, 0);
}

describe("RuntimeGuard", () => {
  test(
    "makes a directory again with the permissions that it had",
    OPTIONS,
    () =>
      withGuard(async (world) => {
        rmSync(world.rt, { recursive: true });
        await waitUntil(() => world.lines.length > 0, { what: "it says so" });
        assert.equal(world.made, 1);
        assert.equal(statSync(world.rt).mode & 0o777, 0o700);
        assert.match(
          world.lines.join("\n"),
          /^runtime directory \S+ was removed \(control socket\): recreated$/,
        );
      }),
  );

  test("does not make what is above it", OPTIONS, () =>
    withGuard(async (world) => {
      rmSync(world.dir.path, { recursive: true });
      await waitUntil(() => world.lines.length > 0, { what: "it says so" });
      assert.match(world.lines.join("\n"), /cannot be recreated: ENOENT/);
      assert.equal(existsSync(world.dir.path), false);
      mkdirSync(world.dir.path);
      await waitUntil(() => world.made === 1, { what: "it is made when that is there" });
    }));

  test("does not take part in a fight, and says so once", OPTIONS, () =>
    withGuard((world) => {
      for (let i = 0; i < 50; i++) {
        rmSync(`${world.rt}/web.sock`, { force: true });
        world.guard.check();
      }
      assert.equal(world.made, AT_ONCE);
      assert.equal(world.lines.filter((line) => line.includes("recreated in")).length, 1);
    }, new FakeClock()));

  test("recreates what a fight removes ever more slowly", OPTIONS, () => {
    const clock = new FakeClock();
    return withGuard(async (world) => {
      const steps = [[0, AT_ONCE], [999, AT_ONCE], [1, 6], [1_999, 6], [1, 7], [4_999, 7], [1, 8]];
      for (const [waitMs = 0, made] of steps) {
        await clock.advance(waitMs);
        for (let i = 0; i < 10; i++) {
          rmSync(`${world.rt}/web.sock`, { force: true });
          world.guard.check();
        }
        assert.equal(world.made, made, `after another ${waitMs} ms`);
      }
    }, clock);
  });

  test(
    "makes nothing where others may write, until they may not",
    OPTIONS,
    () =>
      withGuard(async (world) => {
        chmodSync(world.rt, 0o777);
        rmSync(`${world.rt}/web.sock`);
        await waitUntil(() => world.lines.length > 0, { what: "it says so" });
        assert.match(world.lines.join("\n"), /others may write to it/);
        assert.equal(world.made, 0);
        chmodSync(world.rt, 0o700);
        await waitUntil(() => world.made === 1, { what: "it is made" });
      }),
  );

  test(
    "tries again by itself only where no event announces the end of the trouble",
    OPTIONS,
    () => {
      const clock = new FakeClock();
      return withGuard(async (world) => {
        for (const [code, retries] of [["ENOENT", 0], ["ENOSPC", 1]] as const) {
          world.trouble = Object.assign(new Error("no room"), { code });
          rmSync(`${world.rt}/web.sock`, { force: true });
          world.guard.check();
          world.trouble = null;
          await clock.advance(60_000);
          assert.equal(world.made, retries, code);
        }
      }, clock);
    },
  );
});
