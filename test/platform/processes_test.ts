/** What a process does to itself and to others: signals, pidfds, limits, locks, death of a parent. */
import assert from "node:assert/strict";
import { realpathSync } from "node:fs";
import process from "node:process";
import { describe, test } from "node:test";
import { Fd } from "../../src/platform/fd.ts";
import { C } from "../../src/platform/libc/constants.ts";
import type { Libc } from "../../src/platform/libc/libc.ts";
import { closeOnExecFrom } from "../../src/platform/process/close_on_exec.ts";
import * as proc from "../../src/platform/process/proc.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { spawnChild } from "../support/own_child.ts";
import { startPlatformChild } from "../support/platform_parent.ts";
import * as processes from "../support/proc.ts";
import { systemCallError } from "../support/system_call_error.ts";
import { tempDir } from "../support/temp_dir.ts";
import { testPlatform } from "../support/test_platform.ts";
import { pollOnce } from "../support/trapped_child.ts";
import { waitUntil } from "../support/wait_until.ts";

const CAT = "/bin/cat";
const NO_PID = 2 ** 30; // above the kernel's largest pid_max, 2^22
const NO_DESCRIPTOR = 1 << 20;
const EBADF = "EBADF";
const [SIGKILL, SIGTERM, SIGCONT, SIGSTOP] = [9, 15, 18, 19];
const isRoot = process.getuid!() === 0;

/** A child that waits for the end of its input, and what it reads. */
function spawnCat(platform: Awaited<ReturnType<typeof testPlatform>>) {
  const { read, write } = platform.descriptors.pipe();
  const child = spawnChild(platform, { argv: [CAT], descriptors: [read, 2, 2] });
  read.close();
  return { child, input: write };
}

describe("Processes.signal()", () => {
  test("says whether there is such a process, without sending with 0", {
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    await using platform = await testPlatform();
    const { child, input } = spawnCat(platform);
    await using _child = child;
    assert.equal(platform.processes.signal(child.pid, 0), true);
    assert.equal(platform.processes.signal(-child.pid, 0), true, "its process group");
    assert.equal(platform.processes.signal(NO_PID, 0), false);
    assert.equal(platform.processes.signal(-NO_PID, SIGKILL), false);
    assert.equal(platform.processes.signal(child.pid, 65), false, "no such signal");
    input.close();
    assert.deepEqual(await child.ended(), { kind: "exited", code: 0 });
  });

  test("is false for another user's process", {
    skip: isRoot && "root may signal everybody",
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    await using platform = await testPlatform();
    assert.equal(platform.processes.signal(1, 0), false);
  });
});

describe("Processes.openPidfd()", () => {
  test("is readable when the process has ended, also before it is reaped", {
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    await using platform = await testPlatform();
    const { child, input } = spawnCat(platform);
    await using _child = child;
    using pidfd = platform.processes.openPidfd(child.pid);
    assert.equal(pollOnce(platform, pidfd, C.POLLIN, 0), 0);
    input.close();
    assert.equal(pollOnce(platform, pidfd, C.POLLIN, 10_000) & C.POLLIN, C.POLLIN);
    assert.equal(processes.state(child.pid), "Z");
  });

  test("wakes the reactor", { timeout: TEST_TIMEOUT_MS }, async () => {
    await using platform = await testPlatform();
    const { child, input } = spawnCat(platform);
    await using _child = child;
    using pidfd = platform.processes.openPidfd(child.pid);
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const watch = platform.reactor.watch(pidfd, ({ readable }) => resolve(readable));
    input.close();
    assert.equal(await promise, true);
    watch.cancel();
  });

  test("names the process that is not there", { timeout: TEST_TIMEOUT_MS }, async () => {
    await using platform = await testPlatform();
    const { child, input } = spawnCat(platform);
    input.close();
    await child.ended();
    assert.throws(
      () => platform.processes.openPidfd(child.pid),
      systemCallError({ call: "pidfd_open", code: "ESRCH", subject: `process ${child.pid}` }),
    );
  });
});

describe("Processes.duplicateFrom()", () => {
  test("gives us another process's descriptor, close-on-exec, and keeps it open", {
    timeout: TEST_TIMEOUT_MS,
  }, async (t) => {
    await using platform = await testPlatform();
    const { descriptors } = platform;
    const { read, write } = descriptors.pipe();
    await using child = spawnChild(platform, { argv: [CAT], descriptors: [read, 2, 2] });
    read.close();
    using pidfd = platform.processes.openPidfd(child.pid);
    let copy: Fd;
    try {
      copy = platform.processes.duplicateFrom(pidfd, 0);
    } catch (error) {
      if (!String(error).endsWith("EPERM")) throw error;
      return t.skip("pidfd_getfd is refused here (a container without CAP_SYS_PTRACE)");
    }
    using _copy = copy;
    assert.equal(proc.descriptorTarget("self", copy.number), proc.descriptorTarget(child.pid, 0));
    assert.equal(platform.libc.c.fcntl(copy.number, C.F_GETFD, 0), C.FD_CLOEXEC);
    assert.throws(
      () => platform.processes.duplicateFrom(pidfd, 77),
      systemCallError({ call: "pidfd_getfd", code: EBADF, subject: "descriptor 77" }),
    );
    child.platform.processes.signal(child.pid, SIGKILL);
    await child.ended();
    descriptors.writeAll(write, Uint8Array.of(7));
    assert.deepEqual([...descriptors.read(copy, new Uint8Array(2))!], [7]);
    assert.throws(
      () => platform.processes.duplicateFrom(pidfd, 0),
      systemCallError({ call: "pidfd_getfd", code: "ESRCH", subject: "descriptor 0" }),
    );
    write.close();
  });
});

describe("Processes.tryLock()", () => {
  test("is held by one open file at a time, across processes, until it is closed", {
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    await using platform = await testPlatform();
    using dir = tempDir();
    const path = dir.write("lock", "");
    await using child = startPlatformChild(platform);
    const lock = () => platform.descriptors.open(path, C.O_RDWR);
    using first = lock();
    using second = lock();
    assert.equal(platform.processes.tryLock(first), true);
    assert.equal(platform.processes.tryLock(first), true, "again on the same file is no conflict");
    assert.equal(platform.processes.tryLock(second), false);
    assert.equal(child.ask({ kind: "lock", path }).value, false);
    first.close();
    assert.equal(child.ask({ kind: "lock", path }).value, true);
    assert.equal(platform.processes.tryLock(second), false);
    child.kill(SIGKILL);
    await child.ended();
    assert.equal(platform.processes.tryLock(second), true, "its holder is dead");
  });

  test("names the descriptor that is not open", { timeout: TEST_TIMEOUT_MS }, async () => {
    await using platform = await testPlatform();
    const none = new Fd(platform.libc, NO_DESCRIPTOR);
    const subject = `descriptor ${NO_DESCRIPTOR}`;
    const failure = systemCallError({ call: "flock", code: EBADF, subject });
    assert.throws(() => platform.processes.tryLock(none), failure);
  });
});

describe("Processes: limits and credentials", () => {
  test(
    "the limit on open files is ours as /proc shows it",
    { timeout: TEST_TIMEOUT_MS },
    async () => {
      await using platform = await testPlatform();
      const { processes, runtime } = platform;
      assert.deepEqual(processes.fileLimit(), proc.fileLimitOf(runtime.pid));
    },
  );

  test("setFileLimit() changes the soft limit and leaves the hard one", {
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    await using platform = await testPlatform();
    await using child = startPlatformChild(platform);
    const [, hard] = platform.processes.fileLimit();
    assert.deepEqual(child.ask({ kind: "setFileLimit", soft: 512 }).value, [512, hard]);
    assert.deepEqual(proc.fileLimitOf(child.pid), [512, hard]);
    assert.deepEqual(child.ask({ kind: "setFileLimit", soft: hard }).value, [hard, hard]);
    const failure = systemCallError({
      call: "setrlimit",
      code: "EINVAL",
      subject: "RLIMIT_NOFILE",
    });
    assert.throws(() => platform.processes.setFileLimit(hard + 1), failure);
  });

  test("userId() and parentPid() are ours", { timeout: TEST_TIMEOUT_MS }, async () => {
    await using platform = await testPlatform();
    assert.equal(platform.processes.userId(), process.geteuid!());
    assert.equal(platform.processes.parentPid(), process.ppid);
  });
});

describe("Processes: what the launcher does to itself", () => {
  test("resetSignals() leaves no signal ignored, caught or blocked", {
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    await using platform = await testPlatform();
    await using child = startPlatformChild(platform);
    const masks = () => {
      const status = child.ask<string>({ kind: "status" }).value;
      return ["SigBlk", "SigIgn", "SigCgt"].map((field) =>
        BigInt("0x" + new RegExp(`^${field}:\\s+([0-9a-f]+)`, "m").exec(status)![1])
      );
    };
    assert.ok(masks().some((mask) => mask !== 0n), "the runtime ignores or catches some");
    child.ask({ kind: "resetSignals" });
    // 32 to 34 belong to the C library: sigaction(2) refuses them, and exec resets them.
    const reserved = 0b111n << 31n;
    assert.deepEqual(masks().map((mask) => mask & ~reserved), [0n, 0n, 0n]);
  });

  test("closeOnExecFrom() marks every descriptor from there on", {
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    await using platform = await testPlatform();
    const { descriptors, libc } = platform;
    const fds = [950, 951, 952].map((minimum) => descriptors.duplicate(2, minimum));
    for (const { number } of fds) libc.c.fcntl(number, C.F_SETFD, 0);
    platform.processes.closeOnExecFrom(fds[1]!.number);
    const flags = fds.map(({ number }) => libc.c.fcntl(number, C.F_GETFD, 0));
    assert.deepEqual(flags, [0, C.FD_CLOEXEC, C.FD_CLOEXEC]);
    fds.forEach((fd) => fd.close());
  });

  test("closeOnExecFrom() marks them one by one where close_range(2) is refused", {
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    await using platform = await testPlatform();
    const { descriptors, libc } = platform;
    const fds = [950, 951, 1000].map((minimum) => descriptors.duplicate(2, minimum));
    for (const { number } of fds) libc.c.fcntl(number, C.F_SETFD, 0);
    const refusing = {
      ...libc,
      c: { ...libc.c, syscall: () => -1 },
      arch: libc.arch,
      errno: C.EINVAL,
    };
    assert.equal(closeOnExecFrom(refusing as unknown as Libc, fds[1]!.number), "fcntl");
    const flags = fds.map(({ number }) => libc.c.fcntl(number, C.F_GETFD, 0));
    assert.deepEqual(flags, [0, C.FD_CLOEXEC, C.FD_CLOEXEC]);
    fds.forEach((fd) => fd.close());
  });

  test(
    "changeDirectory() changes it, or names the path",
    { timeout: TEST_TIMEOUT_MS },
    async () => {
      await using platform = await testPlatform();
      using dir = tempDir();
      await using child = startPlatformChild(platform);
      child.ask({ kind: "changeDirectory", path: dir.path });
      const link = `/proc/${child.pid}/cwd`;
      assert.equal(realpathSync(link), realpathSync(dir.path));
      const path = dir.join("none");
      const failure = systemCallError({ call: "chdir", code: "ENOENT", subject: path });
      assert.throws(() => platform.processes.changeDirectory(path), failure);
    },
  );

  test(
    "exec() becomes another program under the same pid",
    { timeout: TEST_TIMEOUT_MS },
    async () => {
      await using platform = await testPlatform();
      await using child = startPlatformChild(platform);
      child.ask({ kind: "ping" });
      const argv = ["a name", "-c", "exit $STATUS"];
      child.send({ kind: "exec", path: "/bin/sh", argv, env: { STATUS: "23" } });
      const reaped = await child.ended();
      assert.deepEqual(reaped, { pid: child.pid, status: { kind: "exited", code: 23 } });
    },
  );

  test("signalOnParentDeath() ends the child when its parent is killed", {
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    await using platform = await testPlatform();
    // The shell is the parent, and ours; it waits, as `&` keeps it from executing the runtime itself.
    const shell = ["/bin/sh", "-c", '"$@" <&0 & wait', "sh"];
    await using parent = startPlatformChild(platform, shell);
    assert.equal(parent.ask({ kind: "ping" }).value, parent.pid);
    const [pid] = proc.childrenOf(parent.pid);
    parent.ask({ kind: "signalOnParentDeath", signal: SIGTERM });
    assert.ok(processes.alive(pid!));
    parent.kill(SIGKILL);
    await parent.ended();
    await waitUntil(() => !processes.alive(pid!), { what: `${pid} has followed its parent` });
  });
});

describe("EINTR", () => {
  test("a call that a stop and a continue have interrupted goes on", {
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    await using platform = await testPlatform();
    await using child = startPlatformChild(platform);
    child.ask({ kind: "ping" });
    const timeoutMs = 20_000;
    child.send({ kind: "receiveSlowly", timeoutMs });
    for (let round = 0; round < 3; round++) {
      await waitUntil(() => processes.state(child.pid) === "S", { what: "it waits" });
      child.kill(SIGSTOP);
      await waitUntil(() => processes.state(child.pid) === "T", { what: "it has stopped" });
      child.kill(SIGCONT);
    }
    await waitUntil(() => processes.state(child.pid) === "S", { what: "it waits again" });
    child.sendText("after the interruption");
    assert.equal(child.answer().value, "after the interruption");
  });
});
