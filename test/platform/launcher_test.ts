/** The real launchers, the small program and baton from source: what the server that it becomes gets. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
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
import { describe, test } from "node:test";
import { encodeBytes } from "../../src/platform/bytes.ts";
import { C } from "../../src/platform/libc/constants.ts";
import * as proc from "../../src/platform/process/proc.ts";
import { CAT, filterSkip, start, startCat, WAYS } from "../support/launched.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import * as processes from "../support/proc.ts";
import { type TempDir, tempDir } from "../support/temp_dir.ts";
import { testPlatform } from "../support/test_platform.ts";

type TestPlatform = Awaited<ReturnType<typeof testPlatform>>;

const skip = await filterSkip();

for (const each of WAYS) {
  describe(`the server gets, from ${each}`, () => {
    test("its arguments, environment and directory, and keeps the launcher's pid", {
      timeout: TEST_TIMEOUT_MS,
    }, async () => {
      await using platform = await testPlatform();
      using dir = tempDir();
      const argv = ["cat", "-", "", "\u00e9"];
      const env = { PATH: "/usr/bin:/bin", ONE: "1", EMPTY: "" };
      await using server = await startCat(platform, each, {
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

    test("arguments and variables of nearly all that the kernel takes, not all of it text", {
      timeout: TEST_TIMEOUT_MS,
    }, async () => {
      await using platform = await testPlatform();
      // One string has at most 128 KiB with its NUL, all together a quarter of the stack's 8 MiB.
      const longest = "a\udce9".repeat(65_535);
      const many = [longest, ...Array.from({ length: 7 }, () => "\u00e9".repeat(65_535))];
      const env = Object.fromEntries(many.slice(0, 5).map((value, i) => [`V${i}`, value.slice(9)]));
      await using server = await startCat(platform, each, {
        plan: { argv: ["cat", "-", ...many], env },
      });
      const { pid } = server.launch;
      const inMemory = (texts: readonly string[]) =>
        Buffer.concat(texts.map((each) => encodeBytes(`${each}\0`)));
      const strings = Object.entries(env).map(([name, value]) => `${name}=${value}`);
      assert.ok(readFileSync(`/proc/${pid}/cmdline`).equals(inMemory(["cat", "-", ...many])));
      assert.ok(readFileSync(`/proc/${pid}/environ`).equals(inMemory(strings)));
    });

    for (const count of [0, 3]) {
      test(`standard descriptors, its ${count} members with LISTEN_PID, and nothing else`, {
        timeout: TEST_TIMEOUT_MS,
      }, async () => {
        await using platform = await testPlatform();
        const pipes = Array.from({ length: count }, () => platform.descriptors.pipe());
        const members = pipes.map(({ read }) => read);
        await using server = await startCat(platform, each, {
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
      await using server = await startCat(platform, each, { plan: { fileLimit: 321 } });
      const status = readFileSync(`/proc/${server.launch.pid}/status`, "utf8");
      for (const field of ["SigBlk", "SigIgn", "SigCgt", "NoNewPrivs", "Seccomp"]) {
        assert.match(status, new RegExp(`^${field}:\\s+0+$`, "m"));
      }
      const [, hard] = platform.processes.fileLimit();
      assert.deepEqual(proc.fileLimitOf(server.launch.pid), [321, hard]);
    });

    test("a filter that is watched before its first instruction", {
      skip,
      timeout: TEST_TIMEOUT_MS,
    }, async () => {
      await using platform = await testPlatform();
      const { arch } = platform.libc;
      await using server = await startCat(platform, each, { plan: { trap: [arch.SYS_listen] } });
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
      await using server = start(platform, each, { plan: { argv: [path, "yes"] } });
      assert.deepEqual(await server.child.ended(), { kind: "exited", code: 17 });
    });
  });

  describe(`a program without a name any more, from ${each}`, () => {
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
      await using server = await startCat(platform, each, {
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
        await using server = start(platform, each, {
          plan: { argv: ["server", "yes"], program, cwd },
        });
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
      await using launched = start(platform, each, { plan: { argv: ["server"], program } });
      assert.deepEqual(await launched.child.ended(), { kind: "exited", code: 127 });
      launched.launch.readMessages();
      assert.match(launched.outcome.failed?.message ?? "", /the interpreter in its first line/);
      held.forEach((fd) => fd.close());
    });
  });
}
