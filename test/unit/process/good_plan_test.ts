/** What was good once can be started again, whatever a deploy has done to its files. */
import assert from "node:assert/strict";
import {
  chmodSync,
  mkdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { describe, test } from "node:test";
import type { Config } from "../../../src/config/config.ts";
import type { Fd } from "../../../src/platform/fd.ts";
import { GoodPlans } from "../../../src/process/good_plan.ts";
import type { KeptPart } from "../../../src/process/kept_plan.ts";
import type { PlanContext } from "../../../src/process/launch_plan.ts";
import { TEST_TIMEOUT_MS } from "../../support/limits.ts";
import { leakedSince, openDescriptors } from "../../support/open_descriptors.ts";
import { type TempDir, tempDir } from "../../support/temp_dir.ts";
import { testPlatform } from "../../support/test_platform.ts";

const TEST = { timeout: TEST_TIMEOUT_MS };

/** Two releases, each with a program and a script, and `current`, which leads to the first. */
function releases(dir: TempDir): void {
  for (const release of ["1", "2"]) {
    mkdirSync(dir.join("releases", release), { recursive: true });
    for (const name of ["server", "app.js", "app.conf"]) {
      const path = dir.write(`releases/${release}/${name}`, `#!/bin/sh\n# ${release}\n`);
      chmodSync(path, 0o755);
    }
  }
  symlinkSync("releases/1", dir.join("current"));
}

function moveLink(dir: TempDir): void {
  symlinkSync("releases/2", dir.join("new"));
  renameSync(dir.join("new"), dir.join("current"));
}

function context(dir: TempDir, command: readonly string[], more: Partial<PlanContext> = {}) {
  const config = {
    command,
    envFile: null,
    user: null,
    group: null,
    rlimit: [],
    env: [],
  } as unknown as Config;
  const env = { PATH: "/usr/bin:/bin", VENV: dir.join("current/venv"), WORD: "current" };
  return { config, env, directory: dir.join("current"), ...more } as PlanContext;
}

function basisFor(
  plans: GoodPlans,
  epoch: number,
  source: "files" | "last good",
  made: PlanContext,
) {
  const notices = plans.choose(epoch, source, made);
  return { notices, basis: plans.basisOf(epoch) };
}

/** What a good generation 0 was started with, after `change`. */
async function afterwards(
  command: (dir: TempDir) => readonly string[],
  change: (dir: TempDir) => void,
  look: (found: ReturnType<typeof basisFor>, dir: TempDir) => void,
): Promise<void> {
  await using platform = await testPlatform();
  using dir = tempDir();
  releases(dir);
  const before = openDescriptors();
  const plans = new GoodPlans(platform);
  const made = context(dir, command(dir));
  basisFor(plans, 0, "files", made);
  plans.keep(0);
  plans.markGood(0);
  plans.retire(0);
  change(dir);
  look(basisFor(plans, 1, "last good", made), dir);
  plans.close();
  assert.deepEqual(leakedSince(before), []);
}

describe("the last good plan", () => {
  test("is the same while nothing has changed", TEST, () =>
    afterwards(
      (dir) => ["./server", dir.join("current/app.js"), "--conf=app.conf"],
      () => {},
      ({ basis, notices }, dir) => {
        assert.deepEqual(basis.command, [
          "./server",
          dir.join("current/app.js"),
          "--conf=app.conf",
        ]);
        assert.deepEqual(basis.program, { path: dir.join("current/server"), isHeld: false });
        assert.equal(basis.directory, dir.join("current"));
        assert.deepEqual(notices, []);
      },
    ));

  test(
    "follows a moved link to where it led: program, words, variables, directory",
    TEST,
    () =>
      afterwards(
        (dir) => ["./server", dir.join("current/app.js"), "--conf=app.conf", "80"],
        moveLink,
        ({ basis, notices }, dir) => {
          assert.deepEqual(basis.command, [
            "./server",
            dir.join("releases/1/app.js"),
            "--conf=app.conf",
            "80",
          ]);
          assert.deepEqual(basis.program, { path: dir.join("releases/1/server"), isHeld: false });
          assert.equal(basis.directory, dir.join("releases/1"));
          assert.equal(basis.env["PWD"], dir.join("releases/1"));
          assert.equal(basis.env["VENV"], dir.join("releases/1/venv"));
          assert.equal(basis.env["WORD"], "current");
          assert.match(notices.join(), /current leads to releases\/1 for it/);
        },
      ),
  );

  test(
    "holds a program that was replaced, and a directory that was removed",
    TEST,
    () =>
      afterwards(
        (dir) => [dir.join("current/server")],
        (dir) => {
          moveLink(dir);
          rmSync(dir.join("releases/1"), { recursive: true });
          mkdirSync(dir.join("releases/1"));
          dir.write("releases/1/server", "another");
        },
        ({ basis, notices }, dir) => {
          assert.equal(basis.program?.isHeld, true);
          const name = (path: string) => path.replace(/^\/proc\/\d+/, "/proc/self");
          assert.notEqual(
            statSync(name(basis.program!.path)).ino,
            statSync(dir.join("releases/1/server")).ino,
          );
          assert.equal(statSync(name(basis.directory)).nlink, 0, "the directory that was removed");
          assert.match(notices.join("\n"), /releases\/1\/server was replaced or removed/);
        },
      ),
  );

  test("says which files have other content now, as that is not kept", TEST, () =>
    afterwards(
      (dir) => ["./server", dir.join("current/app.js"), "--conf=app.conf"],
      (dir) => {
        writeFileSync(dir.join("releases/1/app.js"), "overwritten");
        writeFileSync(dir.join("releases/1/server"), "overwritten");
        rmSync(dir.join("releases/1/app.conf"));
      },
      ({ notices }) => {
        assert.deepEqual(notices.map((text) => text.replace(/^\/.*\//, "")), [
          "server has changed, and is used as it is",
          "app.js has changed, and is used as it is",
          "app.conf is gone",
        ]);
      },
    ));

  test("has the environment file of then", TEST, async () => {
    await using platform = await testPlatform();
    using dir = tempDir();
    releases(dir);
    const envFile = dir.write("env", "A=1\n");
    const made = context(dir, ["./server"]);
    const withFile = { ...made, config: { ...made.config, envFile } };
    const plans = new GoodPlans(platform);
    basisFor(plans, 0, "files", withFile);
    plans.keep(0);
    plans.markGood(0);
    writeFileSync(envFile, "A=2\n");
    assert.equal(basisFor(plans, 1, "files", withFile).basis.env["A"], "2");
    plans.keep(1);
    assert.equal(basisFor(plans, 2, "last good", withFile).basis.env["A"], "1");
    // It is good again, and so is a third start from it.
    plans.markGood(2);
    plans.retire(0);
    plans.retire(1);
    assert.equal(basisFor(plans, 3, "last good", withFile).basis.env["A"], "1");
    plans.close();
  });

  test("is that of the files, and says so, while none was good", TEST, async () => {
    await using platform = await testPlatform();
    using dir = tempDir();
    releases(dir);
    const plans = new GoodPlans(platform);
    const { basis, notices } = basisFor(plans, 0, "last good", context(dir, ["./server"]));
    assert.deepEqual(basis.command, ["./server"]);
    assert.match(notices.join(), /no generation has been good yet/);
    plans.close();
  });

  test("is kept, with those of generations that run, and nothing else", TEST, async () => {
    await using platform = await testPlatform();
    using dir = tempDir();
    releases(dir);
    const before = openDescriptors();
    const plans = new GoodPlans(platform);
    const made = context(dir, ["./server"]);
    for (let epoch = 0; epoch < 50; epoch++) {
      basisFor(plans, epoch, epoch % 3 === 2 ? "last good" : "files", made);
      plans.keep(epoch);
      if (epoch % 2 === 0) plans.markGood(epoch);
      plans.retire(epoch - 1);
    }
    assert.deepEqual(plans.records, [{ epoch: 48, isGood: true }, { epoch: 49, isGood: false }]);
    assert.equal(plans.descriptors.length, 6);
    plans.close();
    assert.deepEqual(leakedSince(before), []);
  });

  test("is taken on by the next baton, if its text was kept", TEST, async () => {
    await using platform = await testPlatform();
    using dir = tempDir();
    releases(dir);
    const before = openDescriptors();
    const made = context(dir, ["./server", dir.join("current/app.js")]);
    const first = new GoodPlans(platform);
    for (const epoch of [0, 1, 2]) {
      basisFor(first, epoch, "files", made);
      first.keep(epoch);
    }
    first.markGood(0);
    first.retire(0);
    const stored = new Map<string, Fd>(
      first.descriptors.map(([epoch, part, fd]) =>
        [`${epoch} ${part}`, platform.descriptors.duplicate(fd)] as const
      ),
    );
    stored.get("1 text")!.close();
    stored.delete("1 text");
    const { records } = first;
    first.close();
    moveLink(dir);
    const second = new GoodPlans(platform);
    const take = (epoch: number, part: KeptPart) => stored.get(`${epoch} ${part}`) ?? null;
    second.resume(records, take, (epoch) => epoch === 2);
    assert.deepEqual(second.records, [{ epoch: 0, isGood: true }, { epoch: 2, isGood: false }]);
    assert.deepEqual(basisFor(second, 3, "last good", made).basis.command, [
      "./server",
      dir.join("releases/1/app.js"),
    ]);
    second.close();
    assert.deepEqual(leakedSince(before), []);
  });
});
