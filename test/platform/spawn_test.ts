/** Starting, executing and reaping processes: what a child gets, and how its end is told. */
import assert from "node:assert/strict";
import { chmodSync, readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { Fd } from "../../src/platform/fd.ts";
import { C } from "../../src/platform/libc/constants.ts";
import { shellStatus } from "../../src/platform/process/wait_status.ts";
import * as proc from "../../src/platform/process/proc.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { leakedSince, openDescriptors } from "../support/open_descriptors.ts";
import { spawnChild, spawnShell } from "../support/own_child.ts";
import * as processes from "../support/proc.ts";
import { systemCallError } from "../support/system_call_error.ts";
import { tempDir } from "../support/temp_dir.ts";
import { testPlatform } from "../support/test_platform.ts";
import { waitUntil } from "../support/wait_until.ts";

const CAT = "/bin/cat";
const NO_DESCRIPTOR = 1 << 20;
const EBADF = "EBADF";

describe("Processes.spawn(): the child gets", () => {
  for (const count of [3, 8, 80]) {
    test(
      `exactly the ${count} descriptors that are listed`,
      { timeout: TEST_TIMEOUT_MS },
      async () => {
        await using platform = await testPlatform();
        // Deno's test runner leaves descriptors of its own to its children.
        platform.processes.closeOnExecFrom(3);
        const before = openDescriptors();
        {
          const pipes = Array.from({ length: count }, () => platform.descriptors.pipe());
          // Backwards, so that many of our numbers are targets of another.
          const given = pipes.map(({ read }) => read).reverse();
          const expected = given.map((fd) => proc.descriptorTarget("self", fd.number)!);
          await using child = spawnChild(platform, { argv: [CAT], descriptors: given });
          const found = await waitUntil(() => {
            const open = processes.openFds(child.pid);
            return open.size === count ? open : null; // The loader has opened libraries until now.
          }, { what: `process ${child.pid} has ${count} descriptors` });
          assert.deepEqual([...found].sort(([a], [b]) => a - b), [...expected.entries()]);
          for (const { read, write } of pipes) [read, write].forEach((fd) => fd.close());
        }
        assert.deepEqual(leakedSince(before), []);
      },
    );
  }

  test("one descriptor under several numbers, and our own by number", {
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    await using platform = await testPlatform();
    platform.processes.closeOnExecFrom(3);
    const { read, write } = platform.descriptors.pipe();
    const descriptors = [read, read, read.number, 2, read];
    await using child = spawnChild(platform, { argv: [CAT], descriptors });
    const pipe = proc.descriptorTarget("self", read.number);
    const found = await waitUntil(() => {
      const open = processes.openFds(child.pid);
      return open.size === descriptors.length ? open : null;
    }, { what: "it has five descriptors" });
    assert.deepEqual([0, 1, 2, 4].map((fd) => found.get(fd)), Array(4).fill(pipe));
    assert.equal(found.get(3), proc.descriptorTarget("self", 2));
    read.close();
    write.close();
    assert.equal((await child.ended()).kind, "exited", "its input has ended");
  });

  test("exactly the arguments and the environment that are listed", {
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    await using platform = await testPlatform();
    const { read, write } = platform.descriptors.pipe();
    const argv = [CAT, "-", "", "a b", "\u00e9\u{1f680}", "x\ny"];
    const env = { EMPTY: "", PATH: "/bin", TEXT: "a=b c\u00e9", "with space": "1" };
    using nowhere = platform.descriptors.open("/dev/null", C.O_WRONLY);
    const descriptors = [read, nowhere, nowhere];
    await using child = spawnChild(platform, { argv, env, descriptors });
    // The kernel wakes the parent of a vfork a moment before it has noted the arguments.
    await waitUntil(() => processes.commandLine(child.pid).length > 0, { what: "it is cat" });
    assert.deepEqual(processes.commandLine(child.pid), argv);
    const environ = readFileSync(`/proc/${child.pid}/environ`, "utf8").split("\0").slice(0, -1);
    assert.deepEqual(environ.sort(), Object.entries(env).map(([k, v]) => `${k}=${v}`).sort());
    assert.equal(proc.environmentValue(child.pid, "TEXT"), "a=b c\u00e9");
    read.close();
    write.close();
  });

  test("a process group of its own, and no signal blocked or ignored", {
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    await using platform = await testPlatform();
    const { read, write } = platform.descriptors.pipe();
    await using child = spawnChild(platform, { argv: [CAT], descriptors: [read, 2, 2] });
    const stat = proc.processStat(child.pid)!;
    assert.equal(stat.group, child.pid);
    assert.equal(stat.parent, platform.runtime.pid);
    assert.equal(stat.session, proc.processStat("self")!.session);
    const status = readFileSync(`/proc/${child.pid}/status`, "utf8");
    for (const field of ["SigBlk", "SigIgn", "SigCgt"]) {
      assert.match(status, new RegExp(`^${field}:\\s0+$`, "m"));
    }
    read.close();
    write.close();
  });
});

describe("Processes.spawn() fails", () => {
  test("with the path, when there is no such program or it cannot be executed", {
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    await using platform = await testPlatform();
    using dir = tempDir();
    const text = dir.write("script_without_interpreter", "exit 0\n");
    const plain = dir.write("not_executable", "#!/bin/sh\n");
    const missing = dir.join("missing");
    chmodSync(text, 0o755);
    const before = openDescriptors();
    for (
      const [path, code] of [
        [missing, "ENOENT"],
        [plain, "EACCES"],
        [dir.path, "EACCES"],
        [text, "ENOEXEC"],
      ] as const
    ) {
      assert.throws(
        () => spawnChild(platform, { argv: [path] }),
        systemCallError({ call: "execute", code, subject: path }),
      );
    }
    assert.deepEqual(leakedSince(before), []);
  });

  test("when a descriptor is not open, and leaves nothing behind", {
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    await using platform = await testPlatform();
    const before = openDescriptors();
    const closed = platform.descriptors.duplicate(2);
    closed.close();
    const { read, write } = platform.descriptors.pipe();
    assert.throws(
      () => spawnChild(platform, { argv: [CAT], descriptors: [read, write, NO_DESCRIPTOR] }),
      systemCallError({
        call: "fcntl(F_DUPFD_CLOEXEC)",
        code: EBADF,
        subject: `descriptor ${NO_DESCRIPTOR}`,
      }),
    );
    assert.throws(
      () => spawnChild(platform, { argv: [CAT], descriptors: [read, write, closed] }),
      /Cannot use a descriptor that is closed/,
    );
    read.close();
    write.close();
    assert.deepEqual(leakedSince(before), []);
  });

  test("on a NUL in an argument or a variable", { timeout: TEST_TIMEOUT_MS }, async () => {
    await using platform = await testPlatform();
    const before = openDescriptors();
    assert.throws(() => spawnChild(platform, { argv: [CAT, "a\0b"] }), TypeError);
    assert.throws(() => spawnChild(platform, { argv: [CAT], env: { A: "\0" } }), TypeError);
    assert.deepEqual(leakedSince(before), []);
  });
});

describe("Processes.exec() fails", () => {
  for (
    const [name, mode, code] of [
      ["missing", null, "ENOENT"],
      ["not_executable", 0o644, "EACCES"],
      ["script_without_interpreter", 0o755, "ENOEXEC"],
    ] as const
  ) {
    test(`with ${code} and returns to us`, { timeout: TEST_TIMEOUT_MS }, async () => {
      await using platform = await testPlatform();
      using dir = tempDir();
      const path = mode === null ? dir.join(name) : dir.write(name, "exit 0\n");
      if (mode !== null) chmodSync(path, mode);
      const failure = systemCallError({ call: "execve", code, subject: path });
      assert.throws(() => platform.processes.exec(path, [path], {}), failure);
    });
  }
});

describe("Processes.reap()", () => {
  for (const code of [0, 1, 2, 64, 100, 126, 127, 128, 129, 200, 254, 255]) {
    test(`tells exit status ${code}`, { timeout: TEST_TIMEOUT_MS }, async () => {
      await using platform = await testPlatform();
      await using child = spawnShell(platform, `exit ${code}`);
      const status = await child.ended();
      assert.deepEqual(status, { kind: "exited", code });
      assert.equal(shellStatus(status), code);
    });
  }

  for (
    const [name, signal] of [
      ["HUP", 1],
      ["INT", 2],
      ["QUIT", 3],
      ["ABRT", 6],
      ["KILL", 9],
      ["SEGV", 11],
      ["PIPE", 13],
      ["TERM", 15],
      ["SYS", 31],
      ["the last real-time signal", 64],
    ] as const
  ) {
    test(`tells the end by ${name}`, { timeout: TEST_TIMEOUT_MS }, async () => {
      await using platform = await testPlatform();
      const { read, write } = platform.descriptors.pipe();
      await using child = spawnChild(platform, { argv: [CAT], descriptors: [read, 2, 2] });
      assert.equal(platform.processes.reap(child.pid), null, "it still runs");
      assert.equal(platform.processes.signal(child.pid, signal), true);
      const status = await child.ended();
      assert.deepEqual(status, { kind: "signalled", signal });
      assert.equal(shellStatus(status), 128 + signal);
      read.close();
      write.close();
    });
  }

  test("is null for a child that was reaped already, and for a stranger", {
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    await using platform = await testPlatform();
    await using child = spawnShell(platform, "exit 3");
    await child.ended();
    assert.equal(platform.processes.reap(child.pid), null);
    assert.equal(platform.processes.reap(1), null);
  });

  test(
    "leaves the number with a child until it is reaped",
    { timeout: TEST_TIMEOUT_MS },
    async () => {
      await using platform = await testPlatform();
      await using child = spawnShell(platform, "exit 3");
      await waitUntil(() => processes.state(child.pid) === "Z", { what: "it is a zombie" });
      assert.equal(platform.processes.signal(child.pid, 0), true);
      assert.deepEqual(await child.ended(), { kind: "exited", code: 3 });
      assert.equal(platform.processes.signal(child.pid, 0), false);
    },
  );
});

describe("Processes.becomeSubreaper()", () => {
  test("makes an orphan of our child our own, to be reaped by us", {
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    await using platform = await testPlatform();
    const { descriptors, libc } = platform;
    const { read, write } = descriptors.pipe();
    platform.processes.becomeSubreaper();
    try {
      // The orphan lives until its input ends, which is our pipe.
      const script = "cat <&3 >/dev/null & echo $!; exit 5";
      const hold = descriptors.pipe();
      await using child = spawnShell(platform, script, {
        descriptors: [0, write, 2, hold.read],
      });
      hold.read.close();
      const text = new TextDecoder().decode(descriptors.read(read, new Uint8Array(64))!);
      const orphan = Number(text);
      assert.deepEqual(await child.ended(), { kind: "exited", code: 5 });
      await waitUntil(() => proc.processStat(orphan)?.parent === platform.runtime.pid, {
        what: `${orphan} is ours`,
      });
      assert.ok(proc.childrenOf(platform.runtime.pid).includes(orphan));
      assert.equal(platform.processes.reap(orphan), null);
      hold.write.close();
      const reaped = await waitUntil(() => platform.processes.reap(orphan), { what: "its end" });
      assert.deepEqual(reaped, { pid: orphan, status: { kind: "exited", code: 0 } });
    } finally {
      libc.c.prctl(C.PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0);
      new Fd(libc, read.release()).close();
      write.close();
    }
  });
});
