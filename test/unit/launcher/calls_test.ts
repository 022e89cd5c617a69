/** Which system calls a plan becomes, in which order, and what each failure is said to be. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { launchCalls, type LaunchFacts } from "../../../src/launcher/calls.ts";
import type { LaunchCall } from "../../../src/launcher/launch_call.ts";
import type { LaunchPlan } from "../../../src/launcher/plan.ts";
import { ARCH } from "../../../src/platform/libc/arch.ts";
import { layOut, readFailure } from "../../../src/platform/program/call_list.ts";

const PLAN: LaunchPlan = {
  argv: ["server", "--name", "\udce9"],
  program: null,
  env: { A: "\udce9" },
  cwd: null,
  members: 0,
  trap: [],
  spared: [],
  waits: false,
  parentDeathSignal: 0,
  limits: [],
  nice: null,
  umask: null,
  account: null,
  parentPid: 1,
  fileLimit: null,
};

const FACTS: LaunchFacts = {
  arch: ARCH.x64,
  control: 3,
  directory: "/here",
  hardFileLimit: 2 ** 20,
  isAlready: false,
  isPrivileged: false,
  program: { path: "/bin/server", isHeld: false },
};

const NAMES = new Map(Object.entries(ARCH.x64).map(([name, n]) => [n, name.replace("SYS_", "")]));
const names = (calls: readonly LaunchCall[]) => calls.map(({ number }) => NAMES.get(number));
const FILTER = ["prctl", "seccomp", "seccomp"];
const ASK = ["sendmsg", "read"];
const END = ["close_range", "execve", "execve"];

const ACCOUNT = { uid: 33, gid: 34, groups: [110], text: "user web" };
const LIMIT = { name: "nofile", resource: 7, soft: 1024, hard: Infinity };

describe("launchCalls()", () => {
  const cases: [string, Partial<LaunchPlan>, Partial<LaunchFacts>, string[]][] = [
    ["only the program, and a shell for a script", {}, {}, END],
    ["a bond to the parent first", { parentDeathSignal: 15 }, {}, ["prctl", "getppid", ...END]],
    ["the directory", { cwd: "/there" }, {}, ["chdir", ...END]],
    ["not the directory where it is", { cwd: "/here" }, {}, END],
    ["the file limit", { fileLimit: 1024 }, {}, ["prlimit64", ...END]],
    [
      "limits, nice value and mask, in the order in which they may need rights",
      { limits: [LIMIT], nice: 5, umask: 0o27, fileLimit: 1024 },
      {},
      ["prlimit64", "setpriority", "umask", ...END],
    ],
    [
      "no other user where it is that one: it could not have other groups",
      { account: ACCOUNT, parentDeathSignal: 15 },
      { isAlready: true },
      ["prctl", "getppid", ...END],
    ],
    [
      "another user last, and the bond to the parent after that: the kernel would forget it",
      { account: ACCOUNT, parentDeathSignal: 15, trap: [49] },
      { isPrivileged: true },
      [
        "seccomp",
        "seccomp",
        ...FILTER,
        ...ASK,
        "close_range",
        "setgroups",
        "setresgid",
        "setresuid",
        "prctl",
        "getppid",
        "execve",
        "execve",
      ],
    ],
    ["a go-ahead, for LISTEN_PID", { members: 1 }, {}, ["read", ...END]],
    [
      "a go-ahead that is sent at once before anything that can fail",
      { members: 1, parentDeathSignal: 15, cwd: "/there" },
      {},
      ["read", "prctl", "getppid", "chdir", ...END],
    ],
    [
      "a go-ahead that is asked for, once, with members too",
      { members: 1, waits: true, cwd: "/there" },
      {},
      ["chdir", ...ASK, ...END],
    ],
    ["a go-ahead that is asked for", { waits: true }, {}, [...ASK, ...END]],
    ["a filter, without privileges", { trap: [49] }, {}, [...FILTER, ...ASK, ...END]],
    [
      "a filter, with privileges, which may be lost",
      { trap: [49] },
      { isPrivileged: true },
      ["seccomp", "seccomp", ...FILTER, ...ASK, ...END],
    ],
    [
      "the ready descriptor, kept",
      { readyDescriptor: 5 },
      {},
      ["close_range", "fcntl", "execve", "execve"],
    ],
    [
      "a file that is held",
      {},
      { program: { path: "/proc/1/fd/9", isHeld: true } },
      ["close_range", "openat", "execveat", "execve", "execve"],
    ],
    [
      "nothing to execute, said behind the directory",
      { cwd: "/there", trap: [49] },
      { program: { status: 127, message: "no such program" } },
      ["chdir", "getpid", ...FILTER, ...ASK, "close_range"],
    ],
  ];
  for (const [name, plan, facts, expected] of cases) {
    test(`has ${name}`, () => {
      assert.deepEqual(names(launchCalls({ ...PLAN, ...plan }, { ...FACTS, ...facts })), expected);
    });
  }

  test("leaves out no_new_privs where a filter was installed without", () => {
    const calls = launchCalls({ ...PLAN, trap: [49] }, { ...FACTS, isPrivileged: true });
    const send = calls.findIndex(({ number }) => number === ARCH.x64.SYS_sendmsg);
    calls.slice(0, 2).forEach(({ skips = 0 }, i) => assert.equal(i + 1 + skips, send));
    assert.equal(3 + 1 + (calls[3]?.skips ?? 0), send);
  });

  const [ENOENT, E2BIG, EACCES, EBUSY, EISDIR, EINVAL, EMFILE] = [2, 7, 13, 16, 21, 22, 24];
  const failures: [string, Partial<LaunchPlan>, string, number, number, RegExp][] = [
    ["a directory", { cwd: "/there" }, "chdir", -EACCES, 126, /^Cannot enter .*"\/there": EACCES$/],
    [
      "a limit of the user's",
      { limits: [LIMIT] },
      "prlimit64",
      -1,
      71,
      /--rlimit nofile: EPERM: only root.* in \/proc\/sys\/fs\/nr_open$/,
    ],
    ["room for a filter", { trap: [1] }, "seccomp", -EMFILE, 71, /EMFILE: --rlimit nofile/],
    ["a nice value", { nice: -5 }, "setpriority", -13, 71, /--nice -5: EACCES: only root/],
    [
      "another user",
      { account: ACCOUNT },
      "setresuid",
      -1,
      71,
      /as user web: EPERM: baton must run as root/,
    ],
    [
      "its program",
      { account: ACCOUNT },
      "execve",
      -13,
      126,
      /"\/bin\/server" as user web: EACCES/,
    ],
    ["a limit", { fileLimit: 1 }, "prlimit64", -EINVAL, 71, /^Cannot setrlimit RLIMIT_NOFILE: EIN/],
    ["a second filter", { trap: [1] }, "seccomp", -EBUSY, 71, /another seccomp listener is above/],
    [
      "a filter",
      { trap: [1] },
      "seccomp",
      -EINVAL,
      71,
      /: Cannot seccomp .*: EINVAL: run "baton do/,
    ],
    ["a program", {}, "execve", -EISDIR, 126, /^Cannot execute "\/bin\/server": EISDIR$/],
    ["its rights", {}, "execve", -EACCES, 126, /": EACCES, check the rights .* mounted noexec$/],
    ["long arguments", {}, "execve", -E2BIG, 126, /": E2BIG, its arguments .*ulimit -s/],
    ["its interpreter", {}, "execve", -ENOENT, 127, /the interpreter in its first line/],
    ["the parent", { parentDeathSignal: 9 }, "getppid", 7, 71, /the supervisor is gone$/],
    ["the supervisor", { waits: true }, "read", 0, 71, /the supervisor is gone$/],
  ];
  for (const [name, plan, call, result, status, message] of failures) {
    test(`explains the failure of ${call}: ${name}`, () => {
      const calls = launchCalls({ ...PLAN, ...plan }, FACTS);
      const failed = calls.find(({ number }) => NAMES.get(number) === call)?.explain(result);
      assert.equal(failed?.status, status);
      assert.match(failed?.message ?? "", message);
    });
  }
});

describe("layOut()", () => {
  const textOf = (bytes: Uint8Array) => new TextDecoder("latin1").decode(bytes);

  test("has each string with its NUL, bytes that are not UTF-8 too", () => {
    const memory = textOf(layOut(ARCH.x64, launchCalls(PLAN, FACTS), 3));
    for (const each of ["server", "--name", "\xe9", "A=\xe9", "/bin/server", "/bin/sh"]) {
      assert.ok(memory.includes(`${each}\0`), each);
    }
  });

  test("leaves room for the number of the process, in its own variable only", () => {
    const env = { LISTEN_PID: "1", B: "2" };
    const memory = textOf(layOut(ARCH.x64, launchCalls({ ...PLAN, env, members: 1 }, FACTS), 3));
    assert.ok(memory.includes(`LISTEN_PID=${"\0".repeat(17)}`));
    assert.ok(!memory.includes("LISTEN_PID=1"));
    const without = textOf(layOut(ARCH.x64, launchCalls({ ...PLAN, env }, FACTS), 3));
    assert.ok(without.includes("LISTEN_PID=1\0"));
  });
});

describe("readFailure()", () => {
  test("takes anything but eight bytes for none", () => {
    for (const size of [0, 1, 7, 9]) assert.equal(readFailure(new Uint8Array(size)), null);
  });
});
