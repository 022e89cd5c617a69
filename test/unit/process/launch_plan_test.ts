/** What a generation is started with, resolved at each start. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import process from "node:process";
import { describe, test } from "node:test";
import type { Config } from "../../../src/config/config.ts";
import { UserError } from "../../../src/config/values/errors.ts";
import { parseListenSpec } from "../../../src/config/values/listen_spec.ts";
import {
  launchPlan,
  logicalDirectory,
  lostDescriptors,
  originalFileLimit,
  type PlanContext,
  shutdownPlan,
} from "../../../src/process/launch_plan.ts";
import { TEST_TIMEOUT_MS } from "../../support/limits.ts";
import { spawnShell } from "../../support/own_child.ts";
import { commandLine } from "../../support/proc.ts";
import { tempDir } from "../../support/temp_dir.ts";
import { testPlatform } from "../../support/test_platform.ts";
import { waitUntil } from "../../support/wait_until.ts";

const NOTIFY = "/run/baton/web.notify.3";
const NO_PID = 2 ** 30;

/** As much of a Config as a plan is made of. */
function context(
  config: Partial<Config> = {},
  more: Partial<PlanContext> = {},
): PlanContext {
  const needed = {
    command: ["server"],
    envFile: null,
    listen: [],
    orphan: "die",
    survive: false,
    user: null,
    group: null,
    rlimit: [],
    nice: null,
    umask: null,
    env: [],
    ...config,
  };
  return {
    config: needed as unknown as Config,
    env: {},
    directory: "/srv/app",
    pid: 77,
    trap: [49, 50],
    fileLimit: null,
    ...more,
  };
}

describe("launchPlan()", () => {
  test("counts RESTART_EPOCH, or leaves it at 0", () => {
    const epochOf = (restartEpoch: Config["restartEpoch"]) =>
      launchPlan(context({ restartEpoch }), { epoch: 3, worker: 0 }, NOTIFY).env["RESTART_EPOCH"];
    assert.equal(epochOf("count"), "3");
    assert.equal(epochOf("0"), "0");
  });

  test("is complete without listeners", { timeout: TEST_TIMEOUT_MS }, () => {
    const plan = launchPlan(
      context({ command: ["node", "app.js"] }, { env: { A: "1" } }),
      { epoch: 3, worker: 0 },
      NOTIFY,
    );
    assert.deepEqual(plan, {
      argv: ["node", "app.js"],
      program: null,
      env: {
        A: "1",
        BATON_EPOCH: "3",
        BATON_WORKER: "0",
        RESTART_EPOCH: "3",
        NOTIFY_SOCKET: NOTIFY,
        PWD: "/srv/app",
        GODEBUG: "multipathtcp=0",
      },
      cwd: "/srv/app",
      members: 0,
      trap: [49, 50],
      spared: [],
      waits: false,
      parentDeathSignal: 15,
      parentPid: 77,
      fileLimit: null,
      limits: [],
      nice: null,
      umask: null,
      account: null,
    });
  });

  test("with listeners fills the command line and asks for LISTEN_PID", {
    timeout: TEST_TIMEOUT_MS,
  }, () => {
    const listen = ["web=127.0.0.1:8080", "[::1]:81"].map(parseListenSpec);
    const command = ["server", "--fd={fd:web}", "{port:listen1}"];
    const plan = launchPlan(context({ command, listen }, { fileLimit: 1024 }), {
      epoch: 0,
      worker: 0,
    }, NOTIFY);
    assert.deepEqual(plan.argv, ["server", "--fd=3", "81"]);
    assert.deepEqual([plan.members, plan.fileLimit], [2, 1024]);
    assert.equal(plan.env["LISTEN_FDNAMES"], "web:listen1");
    assert.equal("LISTEN_PID" in plan.env, false);
  });

  test("fills in the number of the generation, with and without handoff", {
    timeout: TEST_TIMEOUT_MS,
  }, () => {
    const command = ["nginx", "-g", "pid /run/nginx.{epoch}.pid;"];
    assert.deepEqual(
      launchPlan(context({ command }), { epoch: 7, worker: 0 }, NOTIFY).argv,
      ["nginx", "-g", "pid /run/nginx.7.pid;"],
    );
    const { argv } = shutdownPlan(context({ command }));
    assert.deepEqual(argv, ["nginx", "-g", "pid /run/nginx.0.pid;"]);
  });

  test("keeps an orphan alive when asked to", { timeout: TEST_TIMEOUT_MS }, () => {
    assert.equal(
      launchPlan(context({ orphan: "keep" }), { epoch: 0, worker: 0 }, NOTIFY).parentDeathSignal,
      0,
    );
  });

  test("lets it outlive baton, and wait until it is known, when asked to", {
    timeout: TEST_TIMEOUT_MS,
  }, () => {
    const plan = launchPlan(context({ survive: true }), { epoch: 0, worker: 0 }, NOTIFY);
    assert.deepEqual([plan.waits, plan.parentDeathSignal], [true, 0]);
  });

  for (
    const [given, expected] of [
      [undefined, "multipathtcp=0"],
      ["", "multipathtcp=0"],
      ["gctrace=1", "gctrace=1,multipathtcp=0"],
      ["multipathtcp=1", "multipathtcp=1"],
      ["gctrace=1,multipathtcp=0", "gctrace=1,multipathtcp=0"],
    ] as const
  ) {
    test(`GODEBUG ${JSON.stringify(given)} becomes ${expected}: MPTCP cannot be steered`, {
      timeout: TEST_TIMEOUT_MS,
    }, () => {
      const env = given === undefined ? {} : { GODEBUG: given };
      assert.equal(
        launchPlan(context({}, { env }), { epoch: 0, worker: 0 }, NOTIFY).env["GODEBUG"],
        expected,
      );
    });
  }
});

describe("launchPlan() with an environment file", () => {
  test("reads it again for each generation, over baton's own environment", {
    timeout: TEST_TIMEOUT_MS,
  }, () => {
    using dir = tempDir();
    const envFile = dir.write("env", "VERSION=1\nGODEBUG=x=1\nNOTIFY_SOCKET=/mine\n");
    const env = { VERSION: "0", HOME: "/root" };
    const plan = (epoch: number) =>
      launchPlan(context({ envFile }, { env }), { epoch, worker: 0 }, NOTIFY).env;
    const first = plan(0);
    assert.deepEqual([first["VERSION"], first["HOME"]], ["1", "/root"]);
    assert.equal(first["GODEBUG"], "x=1,multipathtcp=0");
    assert.equal(first["NOTIFY_SOCKET"], NOTIFY, "what baton must say, it says");
    writeFileSync(envFile, "VERSION=2\n");
    assert.equal(plan(1)["VERSION"], "2");
  });

  test("finds it in the server's directory", { timeout: TEST_TIMEOUT_MS }, () => {
    using dir = tempDir();
    dir.write("env", "A=1\n");
    const plan = launchPlan(context({ envFile: "env" }, { directory: dir.path }), {
      epoch: 0,
      worker: 0,
    }, NOTIFY);
    assert.equal(plan.env["A"], "1");
  });

  test("fails with its full path when it is missing or wrong", { timeout: TEST_TIMEOUT_MS }, () => {
    using dir = tempDir();
    const failing = (envFile: string) => () =>
      launchPlan(context({ envFile }), { epoch: 0, worker: 0 }, NOTIFY);
    const isUserError = (pattern: RegExp) => (error: unknown) => {
      assert.ok(error instanceof UserError);
      assert.match(error.message, pattern);
      return true;
    };
    const missing = dir.join("none");
    assert.throws(
      failing(missing),
      isUserError(new RegExp(`^Cannot read --env-file ${missing}: `)),
    );
    assert.throws(failing("none"), isUserError(/^Cannot read --env-file \/srv\/app\/none: /));
    assert.throws(
      failing(dir.write("bad", "ok=1\nno\n")),
      isUserError(/bad line 2: want NAME=VALUE/),
    );
  });

  test("waits for no writer of a FIFO, and reads nothing from /dev/null", {
    timeout: TEST_TIMEOUT_MS,
  }, () => {
    using dir = tempDir();
    const fifo = dir.join("fifo");
    execFileSync("mkfifo", [fifo]);
    const plan = (envFile: string) =>
      launchPlan(context({ envFile }), { epoch: 0, worker: 0 }, NOTIFY);
    assert.throws(() => plan(fifo), new RegExp(`Cannot read --env-file ${fifo}: it is not a file`));
    assert.deepEqual(
      plan("/dev/null").env,
      launchPlan(context({}), { epoch: 0, worker: 0 }, NOTIFY).env,
    );
  });
});

describe("logicalDirectory()", () => {
  test("keeps the symlinks of $PWD when it names the same directory", {
    timeout: TEST_TIMEOUT_MS,
  }, () => {
    using dir = tempDir();
    const release = dir.join("release1");
    const current = dir.join("current");
    mkdirSync(release);
    symlinkSync(release, current);
    const physical = realpathSync(current);
    assert.equal(logicalDirectory({ PWD: current }, physical), current);
    assert.equal(logicalDirectory({ PWD: physical }, physical), physical);
    for (const wrong of [undefined, "", "release1", dir.path, dir.join("none"), "/\0"]) {
      const env: Record<string, string> = wrong === undefined ? {} : { PWD: wrong };
      assert.equal(logicalDirectory(env, physical), physical, String(wrong));
    }
    rmSync(release, { recursive: true });
    assert.equal(logicalDirectory({ PWD: current }, physical), physical, "it is gone");
  });

  test("believes the kernel where it may not look", {
    skip: process.getuid!() === 0 && "root may look everywhere",
    timeout: TEST_TIMEOUT_MS,
  }, () => {
    assert.equal(logicalDirectory({ PWD: "/root/app" }, "/tmp"), "/tmp");
  });
});

describe("originalFileLimit()", () => {
  test("is the parent's soft limit, when ours was raised above it", {
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    await using platform = await testPlatform();
    const [, hard] = platform.processes.fileLimit();
    const { read, write } = platform.descriptors.pipe();
    const descriptors = [read, 2, 2];
    await using parent = spawnShell(platform, "ulimit -Sn 99; exec cat", { descriptors });
    await waitUntil(() => commandLine(parent.pid)[0] === "cat", { what: "its limit is set" });
    assert.equal(originalFileLimit(parent.pid, [hard, hard]), 99);
    assert.equal(originalFileLimit(parent.pid, [99, hard]), null, "ours is the same");
    assert.equal(originalFileLimit(parent.pid, [50, hard]), null, "ours is lower");
    assert.equal(originalFileLimit(parent.pid, [hard - 1, hard - 1]), null, "another hard limit");
    assert.equal(originalFileLimit(NO_PID, [hard, hard]), null, "no such parent");
    read.close();
    write.close();
  });
});

describe("lostDescriptors()", () => {
  const cases: readonly (readonly [string, { members?: number; ready?: number }, string | null])[] =
    [
      ["server --config /dev/fd/63", {}, "/dev/fd/63"],
      ["server --config=/proc/self/fd/12", {}, "/proc/self/fd/12"],
      ["server @/dev/fd/63,/dev/fd/62 /dev/fd/63", {}, "/dev/fd/63, /dev/fd/62"],
      ["server /dev/fd/3", { members: 1 }, null],
      ["server /dev/fd/4", { members: 1 }, "/dev/fd/4"],
      ["server /dev/fd/7", { ready: 7 }, null],
      ["server /dev/fd/0 /dev/fd/1 /dev/fd/2", {}, null],
      ["server --root /home/dev/fd/x /dev/null", {}, null],
    ];
  for (const [line, { members = 0, ready }, expected] of cases) {
    test(`${line} with ${members} members`, () => {
      const plan = { argv: line.split(" "), members };
      const hints = lostDescriptors(
        ready === undefined ? plan : { ...plan, readyDescriptor: ready },
      );
      assert.deepEqual(
        hints.map((hint) => /^it does not get (.*): /.exec(hint)?.[1]),
        expected === null ? [] : [expected],
      );
    });
  }
});
