/** Reading, writing, flags, pipes and sealed memory: success, each refusal, and the edges. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { statSync } from "node:fs";
import process from "node:process";
import { describe, test } from "node:test";
import type { Fd } from "../../src/platform/fd.ts";
import { C } from "../../src/platform/libc/constants.ts";
import type { Platform } from "../../src/platform/platform.ts";
import { processStat } from "../../src/platform/process/proc.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { leakedSince, openDescriptors } from "../support/open_descriptors.ts";
import { systemCallError } from "../support/system_call_error.ts";
import { tempDir } from "../support/temp_dir.ts";
import { testPlatform } from "../support/test_platform.ts";

const NO_DESCRIPTOR = 1 << 20;
const EBADF = "EBADF";

const bytesOf = (text: string) => new TextEncoder().encode(text);
const textOf = (bytes: Uint8Array | null) => bytes && new TextDecoder().decode(bytes);
const isCloseOnExec = (platform: Platform, fd: Fd) =>
  platform.libc.c.fcntl(fd.number, C.F_GETFD, 0) === C.FD_CLOEXEC;

describe("Descriptors.hasInput()", () => {
  test("waits for parts of a millisecond too, and not at all", {
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    await using platform = await testPlatform();
    const { descriptors } = platform;
    const { read, write } = descriptors.pipe();
    for (const timeoutMs of [0, 0.25, 1.5]) {
      assert.equal(descriptors.hasInput(read, timeoutMs), false);
    }
    descriptors.write(write, bytesOf("x"));
    for (const timeoutMs of [-1, 0, 0.25, 60_000]) {
      assert.equal(descriptors.hasInput(read, timeoutMs), true);
    }
    [read, write].forEach((fd) => fd.close());
  });

  test("ends in time while signals come without end", { timeout: TEST_TIMEOUT_MS }, async () => {
    await using platform = await testPlatform();
    const { descriptors } = platform;
    const { read, write } = descriptors.pipe();
    const ignore = () => {};
    process.on("SIGWINCH", ignore);
    // Ten seconds of signals, each long before the wait of 300 ms is over.
    const script = `for i in $(seq 1000); do kill -WINCH ${process.pid} || exit; sleep 0.01; done`;
    const sender = spawn("sh", ["-c", script], { stdio: "ignore" });
    const ended = once(sender, "exit");
    try {
      await once(process, "SIGWINCH");
      assert.equal(descriptors.hasInput(read, 300), false);
      assert.equal(processStat(sender.pid!)?.state === "Z", false, "the signals have an end first");
    } finally {
      sender.kill("SIGKILL");
      await ended;
      process.off("SIGWINCH", ignore);
      [read, write].forEach((fd) => fd.close());
    }
  });
});

describe("Descriptors.pipe()", () => {
  test("carries bytes in order, and ends when the writer closes", {
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    await using platform = await testPlatform();
    const { descriptors } = platform;
    const { read, write } = descriptors.pipe();
    assert.ok(isCloseOnExec(platform, read) && isCloseOnExec(platform, write));
    assert.equal(descriptors.write(write, bytesOf("hello ")), 6);
    descriptors.writeAll(write, bytesOf("world"));
    assert.equal(textOf(descriptors.read(read, new Uint8Array(8))), "hello wo");
    assert.equal(textOf(descriptors.read(read, new Uint8Array(8))), "rld");
    write.close();
    assert.equal(descriptors.read(read, new Uint8Array(8))?.length, 0);
    read.close();
  });

  test("read() is null when it would block, write() too when it is full", {
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    await using platform = await testPlatform();
    const { descriptors } = platform;
    const { read, write } = descriptors.pipe();
    descriptors.setNonblocking(read);
    descriptors.setNonblocking(write);
    assert.equal(descriptors.read(read, new Uint8Array(8)), null);
    assert.ok(descriptors.isWritable(write));
    const page = new Uint8Array(4096);
    let written = 0;
    for (let count = descriptors.write(write, page); count !== null;) {
      written += count;
      count = descriptors.write(write, page);
    }
    assert.ok(written >= page.length);
    assert.equal(descriptors.isWritable(write), false);
    descriptors.read(read, new Uint8Array(written));
    assert.ok(descriptors.isWritable(write), "after it was read");
    read.close();
    assert.ok(descriptors.isWritable(write), "without a reader it does not block");
    const failure = systemCallError({
      call: "write",
      code: "EPIPE",
      subject: `descriptor ${write.number}`,
    });
    assert.throws(() => descriptors.write(write, page), failure);
    write.close();
  });

  test("read() and write() name the descriptor that they failed on", {
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    await using platform = await testPlatform();
    const { descriptors } = platform;
    const { read, write } = descriptors.pipe();
    assert.throws(
      () => descriptors.read(write, new Uint8Array(1)),
      systemCallError({ call: "read", code: EBADF, subject: `descriptor ${write.number}` }),
    );
    assert.throws(
      () => descriptors.write(read, bytesOf("x")),
      systemCallError({ call: "write", code: EBADF, subject: `descriptor ${read.number}` }),
    );
    read.close();
    write.close();
    assert.throws(() => descriptors.read(read, new Uint8Array(1)), /that is closed/);
  });
});

describe("Descriptors.open()", () => {
  test("is close-on-exec, and gives a new file the mode that was asked for", {
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    await using platform = await testPlatform();
    using dir = tempDir();
    const path = dir.join("file");
    {
      using fd = platform.descriptors.open(path, C.O_CREAT | C.O_RDWR | C.O_APPEND, 0o600);
      assert.ok(isCloseOnExec(platform, fd));
      assert.equal(platform.descriptors.statusFlags(fd) & C.O_APPEND, C.O_APPEND);
      platform.descriptors.writeAll(fd, bytesOf("one"));
    }
    assert.equal(statSync(path).mode & 0o777, 0o600);
    using again = platform.descriptors.open(path, C.O_RDONLY);
    assert.equal(textOf(platform.descriptors.read(again, new Uint8Array(9))), "one");
  });

  test("names the path that it failed on", { timeout: TEST_TIMEOUT_MS }, async () => {
    await using platform = await testPlatform();
    using dir = tempDir();
    const path = dir.join("none", "file");
    assert.throws(
      () => platform.descriptors.open(path, C.O_RDONLY),
      systemCallError({ call: "open", code: "ENOENT", subject: path }),
    );
    assert.throws(
      () => platform.descriptors.open(dir.path, C.O_WRONLY),
      systemCallError({ call: "open", code: "EISDIR", subject: dir.path }),
    );
    assert.throws(() => platform.descriptors.open("a\0b", C.O_RDONLY), TypeError);
  });
});

describe("Descriptors.duplicate()", () => {
  test("is close-on-exec, has at least the wanted number, and shares the flags", {
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    await using platform = await testPlatform();
    const { descriptors } = platform;
    const { read, write } = descriptors.pipe();
    using copy = descriptors.duplicate(read, 300);
    using byNumber = descriptors.duplicate(read.number);
    assert.ok(copy.number >= 300 && byNumber.number >= 3);
    assert.ok(isCloseOnExec(platform, copy) && isCloseOnExec(platform, byNumber));
    assert.equal(descriptors.statusFlags(copy) & C.O_NONBLOCK, 0);
    descriptors.setNonblocking(read);
    assert.equal(descriptors.statusFlags(copy) & C.O_NONBLOCK, C.O_NONBLOCK);
    descriptors.setNonblocking(copy, false);
    assert.equal(descriptors.statusFlags(read) & C.O_NONBLOCK, 0);
    read.close();
    descriptors.writeAll(write, bytesOf("x"));
    assert.equal(textOf(descriptors.read(copy, new Uint8Array(1))), "x");
    write.close();
  });

  test("names the number that is not open", { timeout: TEST_TIMEOUT_MS }, async () => {
    await using platform = await testPlatform();
    assert.throws(
      () => platform.descriptors.duplicate(NO_DESCRIPTOR),
      systemCallError({
        call: "fcntl(F_DUPFD_CLOEXEC)",
        code: EBADF,
        subject: `descriptor ${NO_DESCRIPTOR}`,
      }),
    );
  });
});

describe("Descriptors.sealedMemfd()", () => {
  test("holds the data, is read from its start, and is close-on-exec", {
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    await using platform = await testPlatform();
    const { descriptors } = platform;
    for (const size of [0, 1, 4096, 3 * 1024 * 1024]) {
      const data = new Uint8Array(size).map((_, i) => i % 251);
      using memfd = descriptors.sealedMemfd("baton-test", data);
      assert.ok(isCloseOnExec(platform, memfd));
      const found = new Uint8Array(size + 1);
      let length = 0;
      for (;;) {
        const part = descriptors.read(memfd, found.subarray(length));
        if (part === null || part.length === 0) break;
        length += part.length;
      }
      assert.equal(length, size);
      assert.equal(Buffer.compare(found.subarray(0, size), data), 0);
    }
  });

  test("cannot be written, grown, shrunk or unsealed, not even through /proc", {
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    await using platform = await testPlatform();
    const { descriptors, libc } = platform;
    using memfd = descriptors.sealedMemfd("baton-test", bytesOf("plan"));
    const path = `/proc/self/fd/${memfd.number}`;
    assert.throws(() => descriptors.write(memfd, bytesOf("X")), /Cannot write .*: EPERM$/);
    using reopened = descriptors.open(path, C.O_RDWR);
    assert.throws(() => descriptors.write(reopened, bytesOf("X")), /Cannot write .*: EPERM$/);
    const truncating = () => descriptors.open(path, C.O_RDWR | 0o1000);
    assert.throws(truncating, systemCallError({ call: "open", code: "EPERM", subject: path }));
    assert.equal(libc.c.fcntl(memfd.number, C.F_ADD_SEALS, 0), -1);
    assert.equal(libc.errno, C.EPERM);
    assert.equal(textOf(descriptors.read(memfd, new Uint8Array(9))), "plan");
  });

  test("leaves no descriptor behind when it fails", { timeout: TEST_TIMEOUT_MS }, async () => {
    await using platform = await testPlatform();
    const before = openDescriptors();
    const tooLong = "x".repeat(300); // memfd_create(2): at most 249 bytes
    assert.throws(
      () => platform.descriptors.sealedMemfd(tooLong, bytesOf("data")),
      systemCallError({ call: "memfd_create", code: "EINVAL", subject: tooLong }),
    );
    assert.deepEqual(leakedSince(before), []);
  });
});
