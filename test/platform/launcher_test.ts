/**
 * The real launchers, the small program and baton from source: what the server that it becomes gets, how each failure is reported,
 * and what the supervisor's half does when the launcher is killed half-way.
 */
import assert from "node:assert/strict";
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { before, describe, test } from "node:test";
import { LAUNCH_VERB, type LaunchPlan } from "../../src/launcher/plan.ts";
import { startLauncher } from "../../src/launcher/start.ts";
import type { HelperProcess } from "../../src/platform/process/helper_process.ts";
import { Fd } from "../../src/platform/fd.ts";
import { C } from "../../src/platform/libc/constants.ts";
import * as proc from "../../src/platform/process/proc.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { leakedSince, openDescriptors } from "../support/open_descriptors.ts";
import { OwnChild } from "../support/own_child.ts";
import * as processes from "../support/proc.ts";
import { type TempDir, tempDir } from "../support/temp_dir.ts";
import { testPlatform } from "../support/test_platform.ts";
import { waitUntil } from "../support/wait_until.ts";

const DEADLINE_MS = 30_000;
const CAT = "/bin/cat";
const [SIGKILL, SIGTERM, SIGSTOP] = [9, 15, 19];
type TestPlatform = Awaited<ReturnType<typeof testPlatform>>;

const seccompIsThere = (await testPlatform()).seccomp.hasUserNotification();

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

/** Which launcher the tests below are about. */
let way: "program" | "binary" = "program";

function start(platform: TestPlatform, options: Options): Launched {
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
async function startCat(platform: TestPlatform, options: Options): Promise<Launched> {
  const { read, write } = platform.descriptors.pipe();
  const launched = start(platform, { ...options, stdin: read });
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

for (const each of ["program", "binary"] as const) {
  describe(`the server gets, from ${each}`, () => {
    useWay(each);

    test("its arguments, environment and directory, and keeps the launcher's pid", {
      timeout: TEST_TIMEOUT_MS,
    }, async () => {
      await using platform = await testPlatform();
      using dir = tempDir();
      const argv = ["cat", "-", "", "\u00e9"];
      const env = { PATH: "/usr/bin:/bin", ONE: "1", EMPTY: "" };
      await using server = await startCat(platform, {
        plan: { argv, env, cwd: dir.path },
      });
      const { pid } = server.launch;
      assert.deepEqual(processes.commandLine(pid), argv);
      const environ = readFileSync(`/proc/${pid}/environ`, "utf8").split("\0").filter(Boolean);
      assert.deepEqual(environ.sort(), Object.entries(env).map(([k, v]) => `${k}=${v}`).sort());
      assert.equal(realpathSync(`/proc/${pid}/cwd`), realpathSync(dir.path));
      assert.equal(proc.processStat(pid)?.group, pid);
      assert.equal(proc.processStat(pid)?.parent, platform.runtime.pid);
    });

    for (const count of [0, 3]) {
      test(`standard descriptors, its ${count} members with LISTEN_PID, and nothing else`, {
        timeout: TEST_TIMEOUT_MS,
      }, async () => {
        await using platform = await testPlatform();
        const pipes = Array.from({ length: count }, () => platform.descriptors.pipe());
        const members = pipes.map(({ read }) => read);
        await using server = await startCat(platform, {
          plan: {},
          members,
        });
        const found = processes.openFds(server.launch.pid);
        assert.deepEqual([...found.keys()].sort(), [...Array(3 + count).keys()]);
        members.forEach((member, i) =>
          assert.equal(found.get(3 + i), proc.descriptorTarget("self", member.number))
        );
        const { pid } = server.launch;
        assert.equal(proc.environmentValue(pid, "LISTEN_PID"), count === 0 ? null : String(pid));
        for (const { read, write } of pipes) [read, write].forEach((fd) => fd.close());
      });
    }

    test("default signals, the wanted file limit, and privileges as they were", {
      timeout: TEST_TIMEOUT_MS,
    }, async () => {
      await using platform = await testPlatform();
      await using server = await startCat(platform, { plan: { fileLimit: 321 } });
      const status = readFileSync(`/proc/${server.launch.pid}/status`, "utf8");
      for (const field of ["SigBlk", "SigIgn", "SigCgt", "NoNewPrivs", "Seccomp"]) {
        assert.match(status, new RegExp(`^${field}:\\s+0+$`, "m"));
      }
      const [, hard] = platform.processes.fileLimit();
      assert.deepEqual(proc.fileLimitOf(server.launch.pid), [321, hard]);
    });

    test("a filter that is watched before its first instruction", {
      skip: platformSkip(),
      timeout: TEST_TIMEOUT_MS,
    }, async () => {
      await using platform = await testPlatform();
      const { arch } = platform.libc;
      await using server = await startCat(platform, { plan: { trap: [arch.SYS_listen] } });
      const [notify] = server.outcome.filters;
      assert.equal(server.outcome.filters.length, 1);
      assert.equal(platform.libc.c.fcntl(notify!.number, C.F_GETFD, 0), C.FD_CLOEXEC);
      const status = readFileSync(`/proc/${server.launch.pid}/status`, "utf8");
      assert.match(status, /^Seccomp:\s+2$/m);
      assert.match(status, proc.hasCapability(21) ? /^NoNewPrivs:\s+0$/m : /^NoNewPrivs:\s+1$/m);
      assert.deepEqual([...processes.openFds(server.launch.pid).keys()].sort(), [0, 1, 2]);
    });

    test("a shell, when its script has no first line for one", {
      timeout: TEST_TIMEOUT_MS,
    }, async () => {
      await using platform = await testPlatform();
      using dir = tempDir();
      const path = dir.write(
        "server",
        'test "$1" = yes && test "$0" = "' + dir.join("server") +
          '" && exit 17\n',
      );
      chmodSync(path, 0o755);
      await using server = start(platform, { plan: { argv: [path, "yes"] } });
      assert.deepEqual(await server.child.ended(), { kind: "exited", code: 17 });
    });
  });

  describe(`a program without a name any more, from ${each}`, () => {
    useWay(each);

    /** Its directory and file are removed while they are held. */
    function removed(platform: TestPlatform, dir: TempDir, make: (path: string) => void) {
      mkdirSync(dir.join("release"));
      const path = dir.join("release/server");
      make(path);
      chmodSync(path, 0o755);
      const held = [path, dir.join("release")].map((each) =>
        platform.descriptors.open(each, C.O_PATH)
      );
      rmSync(dir.join("release"), { recursive: true });
      const [file = "", cwd = ""] = held.map(({ number }) =>
        `/proc/${platform.runtime.pid}/fd/${number}`
      );
      return { program: { path: file, isHeld: true }, cwd, held };
    }

    test("runs under its first word, in the directory that is gone, without a descriptor", {
      timeout: TEST_TIMEOUT_MS,
    }, async () => {
      await using platform = await testPlatform();
      using dir = tempDir();
      const { program, cwd, held } = removed(platform, dir, (path) => copyFileSync(CAT, path));
      await using server = await startCat(platform, {
        plan: { argv: ["server", "-"], program, cwd },
      });
      const { pid } = server.launch;
      assert.deepEqual(processes.commandLine(pid), ["server", "-"]);
      assert.equal(readlinkSync(`/proc/${pid}/exe`), `${dir.join("release/server")} (deleted)`);
      assert.equal(readlinkSync(`/proc/${pid}/cwd`), `${dir.join("release")} (deleted)`);
      assert.deepEqual([...processes.openFds(pid).keys()].sort(), [0, 1, 2]);
      held.forEach((fd) => fd.close());
    });

    for (const firstLine of ["#!/bin/sh\n", ""]) {
      test(`a script runs, ${firstLine === "" ? "without" : "with"} a first line`, {
        timeout: TEST_TIMEOUT_MS,
      }, async () => {
        await using platform = await testPlatform();
        using dir = tempDir();
        const script = `${firstLine}test "$1" = yes && exit 17\n`;
        const { program, cwd, held } = removed(
          platform,
          dir,
          (path) => writeFileSync(path, script),
        );
        await using server = start(platform, { plan: { argv: ["server", "yes"], program, cwd } });
        assert.deepEqual(await server.child.ended(), { kind: "exited", code: 17 });
        held.forEach((fd) => fd.close());
      });
    }

    test("says which interpreter is missing", { timeout: TEST_TIMEOUT_MS }, async () => {
      await using platform = await testPlatform();
      using dir = tempDir();
      const { program, held } = removed(
        platform,
        dir,
        (path) => writeFileSync(path, "#!/no/such\n"),
      );
      await using launched = start(platform, { plan: { argv: ["server"], program } });
      assert.deepEqual(await launched.child.ended(), { kind: "exited", code: 127 });
      launched.launch.readMessages();
      assert.match(launched.outcome.failed?.message ?? "", /the interpreter in its first line/);
      held.forEach((fd) => fd.close());
    });
  });

  describe(`a failure to launch, from ${each}`, () => {
    useWay(each);

    const cases: [string, Partial<LaunchPlan>, number, RegExp][] = [
      ["an unknown program", { argv: ["no-such-program"] }, 127, /^Cannot find program "no-such-p/],
      ["a missing path", { argv: ["/no/such"] }, 127, /^Cannot find program "\/no\/such": no file/],
      ["a directory", { argv: ["/tmp"] }, 126, /^Cannot execute "\/tmp": it is a directory$/],
      ["no permission", { argv: ["/etc/passwd"] }, 126, /^Cannot execute "\/etc\/passwd": no exec/],
      [
        "a working directory that is missing",
        { cwd: "/no/such/directory" },
        126,
        /^Cannot enter working directory "\/no\/such\/directory": ENOENT$/,
      ],
      [
        "a file limit above the hard one",
        { fileLimit: 2 ** 40 },
        71,
        /^Cannot setrlimit .*: EINVAL$/,
      ],
    ];
    for (const [name, plan, status, message] of cases) {
      test(`${name} is reported, and is the launcher's status ${status}`, {
        timeout: TEST_TIMEOUT_MS,
      }, async () => {
        await using platform = await testPlatform();
        const before = openDescriptors();
        await using launched = start(platform, { plan });
        assert.deepEqual(await launched.child.ended(), { kind: "exited", code: status });
        launched.launch.readMessages();
        assert.equal(launched.outcome.failed?.status, status);
        assert.match(launched.outcome.failed?.message ?? "", message);
        launched.launch.readMessages(); // Nothing more, and no harm.
        assert.equal(platform.reactor.size, 0);
        const isOurs = (line: string) =>
          line.includes("memfd") || isMessageSocket(platform, parseInt(line));
        assert.deepEqual(leakedSince(before).filter(isOurs), []);
      });
    }

    test(
      "a script whose interpreter is missing says so",
      { timeout: TEST_TIMEOUT_MS },
      async () => {
        await using platform = await testPlatform();
        using dir = tempDir();
        const path = dir.write("script", "#!/no/such/interpreter\n");
        chmodSync(path, 0o755);
        await using launched = start(platform, { plan: { argv: [path] } });
        assert.deepEqual(await launched.child.ended(), { kind: "exited", code: 127 });
        launched.launch.readMessages();
        assert.match(launched.outcome.failed?.message ?? "", /the interpreter in its first line/);
      },
    );

    test("a supervisor that has died meanwhile ends the launcher", {
      timeout: TEST_TIMEOUT_MS,
    }, async () => {
      await using platform = await testPlatform();
      const plan = { parentDeathSignal: SIGTERM, parentPid: platform.runtime.pid + 1 };
      await using launched = start(platform, { plan });
      assert.deepEqual(await launched.child.ended(), { kind: "exited", code: 71 });
    });

    for (const when of ["before it gets its go-ahead", "before it reads its go-ahead"]) {
      test(`a launcher that is killed ${when} is no error of ours`, {
        skip: platformSkip(),
        timeout: TEST_TIMEOUT_MS,
      }, async () => {
        await using platform = await testPlatform();
        const errors: unknown[] = [];
        platform.reactor.onError = (error) => errors.push(error);
        const signal = when.includes("gets") ? SIGKILL : SIGSTOP;
        const { SYS_bind } = platform.libc.arch;
        await using launched = start(platform, {
          plan: { trap: [SYS_bind] },
          onPrepared: (pid) => {
            platform.processes.signal(pid, signal);
            // Our answer must not be there before it has stopped: then it would read it first.
            while (processes.state(pid) === "S" || processes.state(pid) === "R");
          },
        });
        await waitUntil(() => launched.outcome.filters.length === 1, {
          what: "the filter has come",
          deadlineMs: DEADLINE_MS,
        });
        platform.processes.signal(launched.launch.pid, SIGKILL);
        assert.deepEqual(await launched.child.ended(), { kind: "signalled", signal: SIGKILL });
        launched.launch.readMessages();
        assert.deepEqual(errors, []);
        assert.equal(platform.reactor.size, 0, "its socket is closed");
        assert.equal(launched.outcome.failed, null);
      });
    }
  });
}

function useWay(each: typeof way): void {
  before(() => void (way = each));
}

/** The runtimes use no sockets of this type: what is one is the launcher's control socket. */
function isMessageSocket(platform: TestPlatform, number: number): boolean {
  const fd = new Fd(platform.libc, number);
  try {
    return platform.sockets.option(fd, C.SOL_SOCKET, C.SO_TYPE) === C.SOCK_SEQPACKET;
  } catch {
    return false;
  } finally {
    fd.release();
  }
}

function platformSkip(): string | false {
  return seccompIsThere ? false : "this kernel or container has no seccomp user notification";
}
