/** What /proc says of processes that the test has made itself, and of those that are gone. */
import assert from "node:assert/strict";
import { chmodSync, copyFileSync, readdirSync, readFileSync, symlinkSync } from "node:fs";
import process from "node:process";
import { describe, test } from "node:test";
import { SystemCallError } from "../../src/platform/error.ts";
import { C } from "../../src/platform/libc/constants.ts";
import type { Platform } from "../../src/platform/platform.ts";
import { exists } from "../../src/platform/files/path.ts";
import { mayBindPort } from "../../src/platform/process/capabilities.ts";
import * as proc from "../../src/platform/process/proc.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { spawnChild, spawnShell } from "../support/own_child.ts";
import { listenAt } from "../support/raw_client.ts";
import { tempDir } from "../support/temp_dir.ts";
import { testPlatform } from "../support/test_platform.ts";
import { waitUntil } from "../support/wait_until.ts";

const NO_PID = 2 ** 30; // above the kernel's largest pid_max, 2^22
/** read(2): <asm/unistd.h>. */
const SYS_READ = { x64: 0, arm64: 63 };
const isRoot = process.getuid!() === 0;

/** A process that reads from a pipe which nobody writes to. */
function spawnReader(platform: Platform, path = "/bin/cat", env: Record<string, string> = {}) {
  const { read, write } = platform.descriptors.pipe();
  const child = spawnChild(platform, { argv: [path], env, descriptors: [read, 2, 2] });
  read.close();
  return {
    pid: child.pid,
    async [Symbol.asyncDispose]() {
      write.close();
      await child[Symbol.asyncDispose]();
    },
  };
}

describe("proc: a process", () => {
  test("is told apart by pid and start time, whatever its name is", {
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    await using platform = await testPlatform();
    using dir = tempDir();
    const path = dir.join("a) S 1 (b");
    copyFileSync("/bin/cat", path);
    chmodSync(path, 0o755);
    await using reader = spawnReader(platform, path);
    await waitUntil(() => proc.processStat(reader.pid)?.state === "S", { what: "it reads" });
    const stat = proc.processStat(reader.pid)!;
    const own = proc.processStat("self")!;
    assert.deepEqual(
      { ...stat, startTime: 0 },
      {
        state: "S",
        parent: platform.runtime.pid,
        group: reader.pid,
        session: own.session,
        terminal: own.terminal,
        startTime: 0,
        isExiting: false,
      },
    );
    assert.ok(stat.startTime >= own.startTime && own.startTime > 0);
    assert.equal(proc.processStat(reader.pid)!.startTime, stat.startTime);
    assert.deepEqual(proc.processStat(platform.runtime.pid)?.startTime, own.startTime);
    assert.equal(proc.processName(reader.pid), "a) S 1 (b");
  });

  test("owns its threads", { timeout: TEST_TIMEOUT_MS }, async () => {
    await using platform = await testPlatform();
    const { pid } = platform.runtime;
    const threads = readdirSync("/proc/self/task").map(Number);
    assert.ok(threads.length > 1, "a runtime has several");
    const owners = threads.map(proc.processOfThread);
    assert.ok(owners.every((owner) => owner === pid || owner === null), String(owners));
    assert.equal(proc.processOfThread(pid), pid);
  });

  test("is listed among all processes, with its children and their children", {
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    await using platform = await testPlatform();
    const { read, write } = platform.descriptors.pipe();
    const script = "sh -c 'cat <&3 & cat <&3; wait' & cat <&3 & wait";
    await using shell = spawnShell(platform, script, { descriptors: [0, 2, 2, read] });
    read.close();
    const tree = await waitUntil(() => {
      const found = proc.processTree(shell.pid);
      return found.filter((pid) => proc.processName(pid) === "cat").length === 3 ? found : null;
    }, { what: "three of them are cat" });
    assert.equal(tree[0], shell.pid);
    assert.equal(tree.length, 5);
    assert.equal(proc.childrenOf(shell.pid).length, 2);
    const all = proc.allProcesses();
    assert.ok([1, platform.runtime.pid, ...tree].every((pid) => all.includes(pid)));
    write.close();
    await shell.ended();
  });

  test("is blocked in the call that it waits in", { timeout: TEST_TIMEOUT_MS }, async () => {
    await using platform = await testPlatform();
    await using reader = spawnReader(platform);
    const [blocked] = await waitUntil(() => {
      const calls = proc.blockedCalls(reader.pid);
      return calls.length === 1 ? calls : null;
    }, { what: "it is blocked" });
    assert.equal(blocked?.call, SYS_READ[platform.runtime.arch]);
    assert.equal(blocked?.args.length, 6);
    assert.equal(blocked?.args[0], 0, "its standard input");
  });

  test("has the environment that it was started with", { timeout: TEST_TIMEOUT_MS }, async () => {
    await using platform = await testPlatform();
    const env = { BATON_EPOCH: "12", BATON_EPOCH_2: "x", EMPTY: "", EQUALS: "a=b=c" };
    await using reader = spawnReader(platform, "/bin/cat", env);
    await waitUntil(() => proc.environmentValue(reader.pid, "BATON_EPOCH"), { what: "it is cat" });
    for (const [name, value] of Object.entries(env)) {
      assert.equal(proc.environmentValue(reader.pid, name), value);
    }
    assert.equal(proc.environmentValue(reader.pid, "BATON"), null);
  });

  test("has limits on open files", { timeout: TEST_TIMEOUT_MS }, async () => {
    await using platform = await testPlatform();
    const { read, write } = platform.descriptors.pipe();
    await using shell = spawnShell(platform, "ulimit -Sn 123; exec cat", {
      descriptors: [read, 2, 2],
    });
    read.close();
    await waitUntil(() => proc.processName(shell.pid) === "cat", { what: "it is cat" });
    const [, hard] = platform.processes.fileLimit();
    assert.deepEqual(proc.fileLimitOf(shell.pid), [123, hard]);
    write.close();
    await shell.ended();
  });

  test("that is gone has nothing", { timeout: TEST_TIMEOUT_MS }, () => {
    assert.equal(proc.processStat(NO_PID), null);
    assert.equal(proc.processOfThread(NO_PID), null);
    assert.equal(proc.processName(NO_PID), null);
    assert.deepEqual(proc.childrenOf(NO_PID), []);
    assert.deepEqual(proc.processTree(NO_PID), [NO_PID]);
    assert.equal(proc.socketInodesOf(NO_PID).size, 0);
    assert.equal(proc.descriptorTarget(NO_PID, 0), null);
    assert.equal(proc.descriptorFlags(NO_PID, 0), null);
    assert.equal(proc.epollWatchedInodes(NO_PID).size, 0);
    assert.deepEqual(proc.blockedCalls(NO_PID), []);
    assert.equal(proc.readMemory(NO_PID, 4096, 16), null);
    assert.equal(proc.environmentValue(NO_PID, "PATH"), null);
    assert.equal(proc.fileLimitOf(NO_PID), null);
  });

  test("of another user keeps its descriptors to itself", {
    skip: isRoot && "root may look at everybody's",
    timeout: TEST_TIMEOUT_MS,
  }, () => {
    assert.equal(proc.socketInodesOf(1).size, 0);
    assert.equal(proc.descriptorTarget(1, 0), null);
    assert.equal(proc.environmentValue(1, "PATH"), null);
    assert.equal(proc.readMemory(1, 4096, 16), null);
  });
});

describe("proc: descriptors", () => {
  test("sockets are known by their inodes, and those in an epoll set too", {
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    await using platform = await testPlatform();
    const { pid } = platform.runtime;
    const { listener } = listenAt(platform, "127.0.0.1");
    const target = proc.descriptorTarget("self", listener.number)!;
    const inode = Number(/^socket:\[(\d+)\]$/.exec(target)?.[1]);
    assert.equal(proc.descriptorTarget(pid, listener.number), target);
    assert.ok(proc.socketInodesOf(pid).has(inode));
    assert.equal(proc.epollWatchedInodes(pid).has(inode), false);
    const watch = platform.reactor.watch(listener, () => {});
    assert.ok(proc.epollWatchedInodes(pid).has(inode));
    watch.cancel();
    assert.equal(proc.epollWatchedInodes(pid).has(inode), false);
    listener.close();
    assert.equal(proc.socketInodesOf(pid).has(inode), false);
  });

  test(
    "flags are those of open(2), close-on-exec included",
    { timeout: TEST_TIMEOUT_MS },
    async () => {
      await using platform = await testPlatform();
      using dir = tempDir();
      const wanted = C.O_CREAT | C.O_WRONLY | C.O_APPEND | C.O_NONBLOCK;
      using fd = platform.descriptors.open(dir.join("file"), wanted, 0o600);
      const flags = () => proc.descriptorFlags(platform.runtime.pid, fd.number)!;
      const mask = 3 | C.O_APPEND | C.O_NONBLOCK | C.O_CLOEXEC;
      assert.equal(flags() & mask, C.O_WRONLY | C.O_APPEND | C.O_NONBLOCK | C.O_CLOEXEC);
      platform.libc.c.fcntl(fd.number, C.F_SETFD, 0);
      assert.equal(flags() & mask, C.O_WRONLY | C.O_APPEND | C.O_NONBLOCK);
    },
  );

  test("that are not open have neither target nor flags", { timeout: TEST_TIMEOUT_MS }, () => {
    assert.equal(proc.descriptorTarget(process.pid, 1 << 20), null);
    assert.equal(proc.descriptorFlags(process.pid, 1 << 20), null);
    assert.equal(proc.descriptorTarget("self", 1 << 20), null);
  });
});

describe("proc.readMemory()", () => {
  test(
    "reads our own memory, and nothing where none is",
    { timeout: TEST_TIMEOUT_MS },
    async () => {
      await using platform = await testPlatform();
      const { libc, runtime } = platform;
      const bytes = new TextEncoder().encode("sixteen bytes...");
      const seen = proc.readMemory(runtime.pid, libc.addressOf(bytes), 16)!;
      assert.equal(new TextDecoder().decode(seen), "sixteen bytes...");
      assert.deepEqual([...proc.readMemory(runtime.pid, libc.addressOf(bytes) + 8, 5)!], [
        ...bytes.subarray(8, 13),
      ]);
      assert.equal(proc.readMemory(runtime.pid, 0, 16), null);
    },
  );
});

/** @returns the errno of a bind(2) to a port of the loopback interface; null: it has worked */
function bindError({ sockets }: Platform, port: number): number | null {
  using socket = sockets.stream("inet");
  try {
    sockets.bindInet(socket, { family: "inet", host: "127.0.0.1", port, scope: 0 });
    return null;
  } catch (error) {
    if (error instanceof SystemCallError) return error.errno;
    throw error;
  }
}

describe("proc: this process and this machine", () => {
  test("capabilities are the bits of CapEff", { timeout: TEST_TIMEOUT_MS }, () => {
    const text = readFileSync("/proc/self/status", "utf8");
    const effective = BigInt(`0x${/^CapEff:\s+([0-9a-f]+)$/m.exec(text)![1]}`);
    for (let bit = 0; bit < 64; bit++) {
      assert.equal(proc.hasCapability(bit), ((effective >> BigInt(bit)) & 1n) === 1n, `${bit}`);
    }
  });

  test("mayBindPort() says what bind(2) does", { timeout: TEST_TIMEOUT_MS }, async () => {
    await using platform = await testPlatform();
    const first = Number(proc.sysctl("net/ipv4/ip_unprivileged_port_start"));
    for (const port of [first - 1, first].filter((port) => port > 0)) {
      const isRefused = bindError(platform, port) === C.EACCES;
      assert.equal(mayBindPort(platform.runtime.pid, port), !isRefused, `port ${port}`);
    }
  });

  test("sysctl() reads a kernel setting, or null", { timeout: TEST_TIMEOUT_MS }, () => {
    assert.match(proc.sysctl("kernel/ostype") ?? "", /^Linux$/);
    assert.equal(proc.sysctl("no/such/setting"), null);
  });

  test(
    "exists() follows links, and says no where nobody can look",
    { timeout: TEST_TIMEOUT_MS },
    () => {
      using dir = tempDir();
      const file = dir.write("file", "");
      symlinkSync("file", dir.join("good"));
      symlinkSync("missing", dir.join("dangling"));
      symlinkSync("loop", dir.join("loop"));
      assert.deepEqual(
        [file, dir.path, dir.join("good")].map(exists),
        [true, true, true],
      );
      const absent = [dir.join("missing"), dir.join("dangling"), dir.join("loop"), `${file}/below`];
      assert.deepEqual(absent.map(exists), [false, false, false, false]);
    },
  );
});
