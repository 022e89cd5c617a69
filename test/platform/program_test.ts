/**
 * A list of calls, run by each of the two that can: the program of a few instructions, for this processor and for arm64
 * in QEMU, and JavaScript (in a process of its own: the list ends it). What they do must be the same.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, writeFileSync } from "node:fs";
import { describe, test } from "node:test";
import { ARCH } from "../../src/platform/libc/arch.ts";
import { type Call, layOut, text } from "../../src/platform/program/call_list.ts";
import { C } from "../../src/platform/libc/constants.ts";
import { programFile } from "../../src/platform/program/machine_code.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { which } from "../support/programs.ts";
import { tempDir } from "../support/temp_dir.ts";
import { runtimeCommand, testRuntime } from "../support/test_platform.ts";

const [EBADF, ENOSYS, EINVAL] = [9, 38, 22];
const NO_SUCH_CALL = 10_000;
const { arch: own } = await testRuntime();
const emulator = which("qemu-aarch64-static") ?? which("qemu-aarch64");
const OUTPUT = 1;
/** In place of the socket to a supervisor, which launcher_test.ts has: not open. */
const NOWHERE = 1000;

type Arch = keyof typeof ARCH;

const ways: readonly {
  name: string;
  arch: Arch;
  words: (path: string) => string[];
  skip: string | false;
}[] = [
  { name: `the program, ${own}`, arch: own, words: (path) => [path], skip: false },
  {
    name: "the program, arm64 in QEMU",
    arch: "arm64",
    words: (path) => [emulator ?? "", path],
    skip: own === "arm64" || emulator === null
      ? "this is arm64, or there is no qemu-aarch64"
      : false,
  },
  {
    name: "JavaScript",
    arch: own,
    words: (path) => [
      ...runtimeCommand(new URL("../support/call_runner.ts", import.meta.url).pathname),
      path,
    ],
    skip: false,
  },
];

function write(arch: Arch, what: string): Call {
  const bytes = text(what);
  const length = bytes.bytes.length - 1;
  return { number: ARCH[arch].SYS_write, args: [OUTPUT, bytes, length] };
}

function exit(arch: Arch, status: number): Call {
  return { number: ARCH[arch].SYS_exit_group, args: [status] };
}

for (const { name, arch, words, skip } of ways) {
  const options = { skip, timeout: TEST_TIMEOUT_MS };
  const run = (calls: readonly Call[]) => {
    using dir = tempDir("program");
    const path = dir.join("program");
    writeFileSync(path, programFile(arch, layOut(ARCH[arch], calls, NOWHERE)));
    chmodSync(path, 0o755);
    const [program = "", ...args] = words(path);
    const { status, stdout, stderr } = spawnSync(program, args, { env: {}, timeout: 20_000 });
    return { status, stdout: Uint8Array.from(stdout), stderr: String(stderr) };
  };
  const printed = (calls: readonly Call[]) => {
    const { status, stdout } = run(calls);
    return [new TextDecoder().decode(stdout), status];
  };
  const numbers = ARCH[arch];

  describe(`a list run by ${name}`, () => {
    test("makes its calls in order", options, () => {
      const calls = [write(arch, "one "), write(arch, "two"), exit(arch, 3)];
      assert.deepEqual(printed(calls), ["one two", 3]);
    });

    test("goes on after each error that is tolerated", options, () => {
      const missing = { number: NO_SUCH_CALL, args: [] };
      const calls = [[ENOSYS], [EBADF, ENOSYS], [EBADF, EINVAL, ENOSYS]].map((tolerates) => ({
        ...missing,
        tolerates,
      }));
      assert.deepEqual(printed([...calls, write(arch, "on"), exit(arch, 0)]), ["on", 0]);
    });

    test("leaves out what a success skips, and nothing after an error", options, () => {
      const calls = [
        { ...write(arch, "a"), skips: 1 },
        write(arch, "b"),
        { number: NO_SUCH_CALL, args: [], tolerates: [ENOSYS], skips: 1 },
        write(arch, "c"),
        exit(arch, 0),
      ];
      assert.deepEqual(printed(calls), ["ac", 0]);
    });

    test("puts results into memory, and into the next call", options, () => {
      const digits = text("012");
      const calls: Call[] = [
        { ...write(arch, "ab"), resultTo: { block: digits, at: 1 } },
        { number: numbers.SYS_write, args: [OUTPUT, { block: digits, at: 1 }, 1] },
        { ...write(arch, "x"), resultTo: "next" },
        { ...write(arch, "y"), args: [7, text("y"), 1] },
        exit(arch, 0),
      ];
      assert.deepEqual(printed(calls), ["ab\x02xy", 0]);
    });

    test("hands on all five arguments", options, () => {
      // prctl(2) looks at all of them.
      const ask = (...rest: number[]) => [C.PR_SET_NO_NEW_PRIVS, 1, ...rest];
      const { SYS_prctl } = numbers;
      const calls = [
        ...[ask(1, 0, 0), ask(0, 1, 0), ask(0, 0, 1)].map((args) => [
          { number: SYS_prctl, args, tolerates: [EINVAL], skips: 1 },
          write(arch, "refused "),
        ]).flat(),
        { number: SYS_prctl, args: ask(0, 0, 0), expects: 0 },
        write(arch, "done"),
        exit(arch, 0),
      ];
      assert.deepEqual(printed(calls), ["refused refused refused done", 0]);
    });

    for (
      const [what, failing] of [
        ["an error", { number: NO_SUCH_CALL, args: [], tolerates: [EBADF] }],
        ["another result than expected", { ...write(arch, "abc"), expects: 4 }],
      ] as const
    ) {
      test(`ends with 71 at ${what} where no supervisor is`, options, () => {
        const [said, status] = printed([failing, write(arch, "behind"), exit(arch, 0)]);
        assert.equal(status, 71);
        assert.equal(said, what === "an error" ? "" : "abc");
      });
    }
  });
}
