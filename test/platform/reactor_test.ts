/** Readiness of descriptors: once for each arming, never after a cancel, and nothing left at the end. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { describe, test } from "node:test";
import type { Fd } from "../../src/platform/fd.ts";
import { C } from "../../src/platform/libc/constants.ts";
import type { Platform } from "../../src/platform/platform.ts";
import * as proc from "../../src/platform/process/proc.ts";
import type { Readiness } from "../../src/platform/reactor.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { openDescriptors } from "../support/open_descriptors.ts";
import { systemCallError } from "../support/system_call_error.ts";
import { tempDir } from "../support/temp_dir.ts";
import { testPlatform } from "../support/test_platform.ts";
import { waitUntil } from "../support/wait_until.ts";

const ONE_BYTE = Uint8Array.of(1);
/** epoll_wait and epoll_pwait of x64, epoll_pwait of arm64: <asm/unistd.h>. */
const EPOLL_WAITS = [232, 281, 22];

/** A pipe that is closed at the end of the block. */
function disposablePipe(platform: Platform): { read: Fd; write: Fd } & Disposable {
  const pipe = platform.descriptors.pipe();
  return {
    ...pipe,
    [Symbol.dispose]() {
      pipe.read.close();
      pipe.write.close();
    },
  };
}

/** Resolves when the poll thread has gone round once more: what it posted before has been handled. */
async function roundTrip(platform: Platform): Promise<void> {
  using pipe = disposablePipe(platform);
  platform.descriptors.writeAll(pipe.write, ONE_BYTE);
  const { promise, resolve } = Promise.withResolvers<void>();
  const watch = platform.reactor.watch(pipe.read, () => resolve());
  await promise;
  watch.cancel();
}

/** Lines of /proc/self/fdinfo of every epoll instance that is about one of `fds`. */
function epollLines(fds: readonly Fd[]): string[] {
  const numbers = new Set(fds.map(({ number }) => number));
  return readdirSync("/proc/self/fdinfo").flatMap((name) => {
    try {
      const lines = readFileSync(`/proc/self/fdinfo/${name}`, "utf8").split("\n");
      return lines.filter((line) => numbers.has(Number(/^tfd:\s*(\d+)/.exec(line)?.[1])));
    } catch {
      return []; // Closed since it was listed.
    }
  });
}

/** Whether the kernel has given out the event of a one-shot registration, and holds no other. */
function hasFired(fd: Fd): boolean {
  return epollLines([fd]).some((line) => /events:\s*40000000\b/.test(line));
}

describe("Reactor.watch()", () => {
  test("calls its handler once for each arming, however long the descriptor stays ready", {
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    await using platform = await testPlatform();
    using pipe = disposablePipe(platform);
    let calls = 0;
    const watch = platform.reactor.watch(pipe.read, () => calls++);
    await roundTrip(platform);
    assert.equal(calls, 0, "nothing has come");
    platform.descriptors.writeAll(pipe.write, ONE_BYTE);
    await waitUntil(() => calls === 1, { what: "the handler was called" });
    await roundTrip(platform);
    await roundTrip(platform);
    assert.equal(calls, 1, "it was not armed again");
    watch.arm();
    await waitUntil(() => calls === 2, { what: "the handler was called again" });
    platform.descriptors.read(pipe.read, new Uint8Array(8));
    watch.arm();
    await roundTrip(platform);
    assert.equal(calls, 2, "it is armed, and nothing is there");
    watch.cancel();
  });

  test("says what came: readable, writable, hangup", { timeout: TEST_TIMEOUT_MS }, async () => {
    await using platform = await testPlatform();
    const [a, b] = platform.sockets.pair();
    const seen: Readiness[] = [];
    const next = async (count: number) => {
      await waitUntil(() => seen.length === count, { what: `${count} events have come` });
      return seen[count - 1];
    };
    const watch = platform.reactor.watch(a, (readiness) => seen.push(readiness), { write: true });
    assert.deepEqual(await next(1), { readable: false, writable: true, hangup: false });
    platform.descriptors.send(b, ONE_BYTE);
    watch.arm();
    assert.deepEqual(await next(2), { readable: true, writable: false, hangup: false });
    watch.arm({ read: true, write: true });
    assert.deepEqual(await next(3), { readable: true, writable: true, hangup: false });
    b.close();
    watch.arm({});
    assert.deepEqual(await next(4), { readable: false, writable: false, hangup: true });
    watch.cancel();
    a.close();
  });

  test("is refused for a regular file, and for one that is watched already", {
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    await using platform = await testPlatform();
    using dir = tempDir();
    using file = platform.descriptors.open(dir.write("file", ""), C.O_RDONLY);
    const subject = `descriptor ${file.number}`;
    const failure = systemCallError({ call: "epoll_ctl", code: "EPERM", subject });
    assert.throws(() => platform.reactor.watch(file, () => {}), failure);
    using pipe = disposablePipe(platform);
    const watch = platform.reactor.watch(pipe.read, () => {});
    assert.throws(() => platform.reactor.watch(pipe.read, () => {}), /epoll_ctl .*: EEXIST$/);
    assert.equal(platform.reactor.size, 1, "what was refused is not registered");
    watch.cancel();
    assert.equal(platform.reactor.size, 0);
  });
});

describe("Watch.cancel()", () => {
  test("in one handler keeps another from running whose event is on its way already", {
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    await using platform = await testPlatform();
    using first = disposablePipe(platform);
    using second = disposablePipe(platform);
    const called: string[] = [];
    const watches = [first, second].map(({ read }, i) =>
      platform.reactor.watch(read, () => {
        called.push(`handler ${i}`);
        watches[1 - i]!.cancel();
      })
    );
    await roundTrip(platform);
    for (const { write } of [first, second]) platform.descriptors.writeAll(write, ONE_BYTE);
    // This thread stays busy until the kernel has given both events to the poll thread.
    for (const deadline = performance.now() + 10_000; performance.now() < deadline;) {
      if (hasFired(first.read) && hasFired(second.read)) break;
    }
    assert.ok(hasFired(first.read) && hasFired(second.read));
    assert.deepEqual(called, []);
    await waitUntil(() => called.length > 0, { what: "one handler was called" });
    await roundTrip(platform);
    assert.equal(called.length, 1);
    for (const watch of watches) watch.cancel();
    assert.equal(platform.reactor.size, 0);
  });

  test("twice, or after the descriptor is closed, is harmless; arming then does nothing", {
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    await using platform = await testPlatform();
    using pipe = disposablePipe(platform);
    let calls = 0;
    const watch = platform.reactor.watch(pipe.read, () => calls++);
    watch.cancel();
    watch.cancel();
    watch.arm();
    platform.descriptors.writeAll(pipe.write, ONE_BYTE);
    await roundTrip(platform);
    const other = platform.reactor.watch(pipe.write, () => {});
    pipe.write.close();
    other.cancel();
    await roundTrip(platform);
    assert.equal(calls, 0);
    assert.equal(platform.reactor.size, 0);
  });

  test(
    "a number that is given out again can be watched anew",
    { timeout: TEST_TIMEOUT_MS },
    async () => {
      await using platform = await testPlatform();
      using pipe = disposablePipe(platform);
      const first = platform.descriptors.duplicate(pipe.read, 970);
      const { number } = first;
      platform.reactor.watch(first, () => assert.fail("cancelled")).cancel();
      first.close();
      using second = platform.descriptors.duplicate(pipe.read, 970);
      assert.equal(second.number, number);
      const { promise, resolve } = Promise.withResolvers<void>();
      const watch = platform.reactor.watch(second, () => resolve());
      platform.descriptors.writeAll(pipe.write, ONE_BYTE);
      await promise;
      watch.cancel();
    },
  );
});

describe("Reactor", () => {
  test("delivers to a thousand watches at once, and forgets them all", {
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    await using platform = await testPlatform();
    const before = openDescriptors();
    const [limit] = platform.processes.fileLimit();
    const count = Math.min(1000, limit - before.size - 100);
    const pipe = platform.descriptors.pipe();
    await roundTrip(platform); // The thread's own descriptors exist now.
    const calls = new Map<number, number>();
    const copies = Array.from({ length: count }, () => platform.descriptors.duplicate(pipe.read));
    const watches = copies.map((fd, i) =>
      platform.reactor.watch(fd, () => calls.set(i, (calls.get(i) ?? 0) + 1))
    );
    assert.equal(platform.reactor.size, count);
    platform.descriptors.writeAll(pipe.write, ONE_BYTE);
    await waitUntil(() => calls.size === count, { what: `${count} handlers were called` });
    await roundTrip(platform);
    assert.ok([...calls.values()].every((each) => each === 1), "each of them once");
    for (const watch of watches) watch.cancel();
    assert.equal(platform.reactor.size, 0);
    assert.deepEqual(epollLines(copies), [], "the kernel has forgotten them too");
    for (const fd of [...copies, pipe.read, pipe.write]) fd.close();
  });

  test(
    "tells onError what a handler throws, and goes on",
    { timeout: TEST_TIMEOUT_MS },
    async () => {
      await using platform = await testPlatform();
      using bad = disposablePipe(platform);
      using good = disposablePipe(platform);
      const errors: unknown[] = [];
      platform.reactor.onError = (error) => errors.push(error);
      let calls = 0;
      const watches = [
        platform.reactor.watch(bad.read, () => {
          throw new Error("broken handler");
        }),
        platform.reactor.watch(good.read, () => calls++),
      ];
      for (const { write } of [bad, good]) platform.descriptors.writeAll(write, ONE_BYTE);
      await waitUntil(() => calls === 1 && errors.length === 1, { what: "both were called" });
      assert.match(String(errors[0]), /broken handler/);
      for (const watch of watches) watch.cancel();
    },
  );

  test("close() ends its thread, and leaves the watched descriptors open", {
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    const platform = await testPlatform();
    const before = openDescriptors();
    using pipe = disposablePipe(platform);
    platform.reactor.watch(pipe.read, () => assert.fail("nothing has come"));
    const [epoll] = [...openDescriptors()].filter(([number, target]) =>
      !before.has(number) && target === "anon_inode:[eventpoll]" &&
      readFileSync(`/proc/self/fdinfo/${number}`, "utf8").includes(`tfd: ${pad(pipe.read)} `)
    ).map(([number]) => number);
    const waiting = () =>
      proc.blockedCalls(platform.runtime.pid)
        .some(({ call, args }) => EPOLL_WAITS.includes(call) && args[0] === epoll);
    await waitUntil(waiting, { what: `a thread waits on descriptor ${epoll}` });
    await platform.close();
    assert.equal(waiting(), false);
    assert.deepEqual(epollLines([pipe.read]), [], "the epoll instance is gone");
    platform.descriptors.writeAll(pipe.write, ONE_BYTE);
    assert.equal(platform.descriptors.read(pipe.read, new Uint8Array(8))?.length, 1);
  });
});

/** As fdinfo prints a descriptor's number: "%8d". */
function pad(fd: Fd): string {
  return String(fd.number).padStart(8);
}
