/** Starts programs by a launcher, as a supervisor does, and sees what becomes of them. */
import assert from "node:assert/strict";
import { LAUNCH_VERB, type LaunchPlan } from "../../src/launcher/plan.ts";
import { startLauncher } from "../../src/launcher/start.ts";
import type { Fd } from "../../src/platform/fd.ts";
import { C } from "../../src/platform/libc/constants.ts";
import type { HelperProcess } from "../../src/platform/process/helper_process.ts";
import { OwnChild } from "./own_child.ts";
import * as processes from "./proc.ts";
import { testPlatform } from "./test_platform.ts";
import { waitUntil } from "./wait_until.ts";

const DEADLINE_MS = 30_000;
export const CAT = "/bin/cat";
type TestPlatform = Awaited<ReturnType<typeof testPlatform>>;

/** Both launchers: the program of a few instructions, and baton's own binary. */
export const WAYS = ["program", "binary"] as const;
type Way = (typeof WAYS)[number];

interface Outcome {
  failed: { status: number; message: string } | null;
  readonly filters: Fd[];
}

interface Launched extends AsyncDisposable {
  readonly child: OwnChild;
  readonly launch: HelperProcess;
  readonly outcome: Outcome;
}

interface Options {
  readonly plan: Partial<LaunchPlan>;
  readonly stdin?: Fd | number;
  readonly members?: readonly Fd[];
  /** Called while the launcher waits for its go-ahead. */
  readonly onPrepared?: (pid: number) => void;
}

export function start(platform: TestPlatform, way: Way, options: Options): Launched {
  const outcome: Outcome = { failed: null, filters: [] };
  const plan: LaunchPlan = {
    argv: [CAT],
    program: null,
    env: { PATH: "/usr/bin:/bin" },
    cwd: null,
    members: options.members?.length ?? 0,
    trap: [],
    spared: [],
    waits: false,
    parentDeathSignal: 0,
    limits: [],
    nice: null,
    umask: null,
    account: null,
    parentPid: platform.runtime.pid,
    fileLimit: null,
    ...options.plan,
  };
  using nowhere = platform.descriptors.open("/dev/null", C.O_WRONLY);
  const launch = startLauncher(platform, {
    plan,
    stdio: [options.stdin ?? 0, nowhere, nowhere],
    members: options.members ?? [],
    way,
    onPrepared: (notify) => {
      if (notify !== undefined) outcome.filters.push(notify);
      options.onPrepared?.(launch.pid);
    },
    onFailed: (status, message) => outcome.failed = { status, message },
  });
  const child = new OwnChild(platform, launch.pid);
  return {
    child,
    launch,
    outcome,
    async [Symbol.asyncDispose]() {
      await child[Symbol.asyncDispose]();
      for (const filter of outcome.filters) filter.close();
    },
  };
}

/** A server that reads from a pipe which nobody writes to; ready when it runs. */
export async function startCat(
  platform: TestPlatform,
  way: Way,
  options: Options,
): Promise<Launched> {
  const { read, write } = platform.descriptors.pipe();
  const launched = start(platform, way, { ...options, stdin: read });
  read.close();
  const { pid } = launched.launch;
  const isServer = () => {
    const words = processes.commandLine(pid);
    return words.length > 0 && !words.includes(LAUNCH_VERB) && processes.state(pid) === "S";
  };
  await waitUntil(() => launched.outcome.failed || isServer(), {
    what: "the launcher has become the server, which reads",
    deadlineMs: DEADLINE_MS,
  });
  assert.equal(launched.outcome.failed, null);
  return {
    ...launched,
    async [Symbol.asyncDispose]() {
      write.close();
      await launched[Symbol.asyncDispose]();
    },
  };
}

/** @returns why a test with a filter is left out */
export async function filterSkip(): Promise<string | false> {
  return (await testPlatform()).seccomp.hasUserNotification()
    ? false
    : "this kernel or container has no seccomp user notification";
}
