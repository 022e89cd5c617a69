/** Passing descriptors and credentials over Unix sockets: unix(7), cmsg(3). */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import process from "node:process";
import { describe, test } from "node:test";
import { MAX_PASSED_DESCRIPTORS } from "../../src/platform/network/passed_descriptors.ts";
import { Fd } from "../../src/platform/fd.ts";
import { encodeUnixPath } from "../../src/platform/network/address.ts";
import { C } from "../../src/platform/libc/constants.ts";
import { descriptorTarget } from "../../src/platform/process/proc.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { leakedSince, openDescriptors } from "../support/open_descriptors.ts";
import { sendRaw } from "../support/raw_message.ts";
import { systemCallError } from "../support/system_call_error.ts";
import { tempDir } from "../support/temp_dir.ts";
import { testPlatform } from "../support/test_platform.ts";

const ECONNRESET = "ECONNRESET";
const bytesOf = (text: string) => new TextEncoder().encode(text);
const textOf = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const close = (...fds: readonly Fd[]) => fds.forEach((fd) => fd.close());

describe("Descriptors.send() and receive()", () => {
  test("keep message boundaries, and say when the peer has closed", {
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    await using platform = await testPlatform();
    const { descriptors, sockets } = platform;
    const [a, b] = sockets.pair();
    descriptors.send(a, bytesOf("one"));
    descriptors.send(a, bytesOf("two!"));
    assert.equal(textOf(descriptors.receive(b, 100)!.data), "one");
    const second = descriptors.receive(b, 4)!; // exactly as long as allowed
    assert.equal(textOf(second.data), "two!");
    assert.deepEqual(second.fds, []);
    assert.equal(second.sender, null);
    descriptors.setNonblocking(b);
    assert.equal(descriptors.receive(b, 100), null);
    a.close();
    assert.equal(descriptors.receive(b, 100)!.data.length, 0);
    b.close();
  });

  for (const count of [1, 5, MAX_PASSED_DESCRIPTORS]) {
    test(`carry ${count} descriptors, which are the receiver's own and close-on-exec`, {
      timeout: TEST_TIMEOUT_MS,
    }, async () => {
      await using platform = await testPlatform();
      const { descriptors, sockets, libc } = platform;
      const before = openDescriptors();
      const [a, b] = sockets.pair();
      const pipes = Array.from({ length: count }, () => descriptors.pipe());
      const targets = pipes.map(({ read }) => descriptorTarget("self", read.number));
      descriptors.send(a, bytesOf("take these"), pipes.map(({ read }) => read));
      pipes.forEach(({ read }) => read.close());
      const { data, fds } = descriptors.receive(b, 100)!;
      assert.equal(textOf(data), "take these");
      assert.deepEqual(fds.map((fd) => descriptorTarget("self", fd.number)), targets, "in order");
      for (const fd of fds) assert.equal(libc.c.fcntl(fd.number, C.F_GETFD, 0), C.FD_CLOEXEC);
      descriptors.writeAll(pipes[count - 1]!.write, bytesOf("x"));
      assert.equal(textOf(descriptors.read(fds[count - 1]!, new Uint8Array(2))!), "x");
      close(a, b, ...fds, ...pipes.map(({ write }) => write));
      assert.deepEqual(leakedSince(before), []);
    });
  }

  test(
    "refuse more descriptors than one message may carry",
    { timeout: TEST_TIMEOUT_MS },
    async () => {
      await using platform = await testPlatform();
      const [a, b] = platform.sockets.pair();
      const many = Array.from({ length: MAX_PASSED_DESCRIPTORS + 1 }, () => a);
      assert.throws(() => platform.descriptors.send(a, bytesOf("x"), many), {
        name: "RangeError",
        message: "Cannot pass 65 descriptors: at most 64",
      });
      close(a, b);
    },
  );

  test("refuse a message that is too long, and close what came with it", {
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    await using platform = await testPlatform();
    const { descriptors, sockets } = platform;
    const before = openDescriptors();
    const [a, b] = sockets.pair();
    descriptors.send(a, bytesOf("12345"), [a, b]);
    assert.throws(
      () => descriptors.receive(b, 4),
      systemCallError({
        call: "recvmsg",
        code: "EINVAL",
        subject: "a message that is longer than 4 bytes",
      }),
    );
    descriptors.send(a, bytesOf("next"));
    assert.equal(textOf(descriptors.receive(b, 4)!.data), "next", "the socket goes on working");
    close(a, b);
    assert.deepEqual(leakedSince(before), []);
  });

  test("refuse a stranger's message with too many descriptors, and close those that fit", {
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    await using platform = await testPlatform();
    const { descriptors, sockets } = platform;
    const before = openDescriptors();
    const [a, b] = sockets.pair();
    sendRaw(platform, a, { data: bytesOf("x"), rights: Array(200).fill(a.number) });
    assert.throws(() => descriptors.receive(b, 100), /Cannot recvmsg .*: EINVAL$/);
    close(a, b);
    assert.deepEqual(leakedSince(before), []);
  });

  test("fail with the number of bytes and descriptors when the peer is gone", {
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    await using platform = await testPlatform();
    const { descriptors, sockets } = platform;
    const [a, b] = sockets.pair();
    b.close();
    const failing = () => descriptors.send(a, bytesOf("four"), [a]);
    const subject = "4 bytes and 1 descriptors";
    assert.throws(failing, systemCallError({ call: "sendmsg", code: "EPIPE", subject }));
    a.close();
    const [c, d] = sockets.pair();
    descriptors.send(c, bytesOf("unread"));
    d.close();
    assert.throws(
      () => descriptors.receive(c, 10),
      systemCallError({
        call: "recvmsg",
        code: ECONNRESET,
        subject: `descriptor ${c.number}`,
      }),
    );
    c.close();
  });
});

describe("Sockets.datagram()", () => {
  test("tells who sent a message, also when descriptors come with it", {
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    await using platform = await testPlatform();
    const { descriptors, sockets, libc, runtime } = platform;
    const before = openDescriptors();
    using dir = tempDir();
    const path = dir.join("notify");
    const server = sockets.datagram(path);
    assert.equal(descriptors.receive(server, 100), null, "it does not block");
    const client = new Fd(libc, libc.c.socket(C.AF_UNIX, C.SOCK_DGRAM | C.SOCK_CLOEXEC, 0));
    sockets.connectUnix(client, path);
    descriptors.writeAll(client, bytesOf("READY=1"));
    const plain = descriptors.receive(server, 100)!;
    assert.deepEqual([textOf(plain.data), plain.fds.length], ["READY=1", 0]);
    const us = { pid: runtime.pid, uid: process.getuid!() };
    assert.deepEqual({ pid: plain.sender?.pid, uid: plain.sender?.uid }, us);
    const all = Array<Fd>(MAX_PASSED_DESCRIPTORS).fill(client);
    descriptors.send(client, bytesOf("FDSTORE=1"), all);
    const loaded = descriptors.receive(server, 100)!;
    assert.equal(loaded.sender?.pid, runtime.pid);
    assert.equal(loaded.fds.length, MAX_PASSED_DESCRIPTORS, "both fit");
    const target = descriptorTarget(runtime.pid, client.number);
    assert.ok(loaded.fds.every((fd) => descriptorTarget("self", fd.number) === target));
    close(server, client, ...loaded.fds);
    assert.deepEqual(leakedSince(before), []);
  });

  test("fails on a path that is taken, and leaves nothing open", {
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    await using platform = await testPlatform();
    const before = openDescriptors();
    using dir = tempDir();
    const path = dir.write("taken", "");
    const failure = systemCallError({ call: "bind", code: "EADDRINUSE", subject: path });
    assert.throws(() => platform.sockets.datagram(path), failure);
    const tooLong = dir.join("x".repeat(120));
    assert.throws(() => platform.sockets.datagram(tooLong), RangeError);
    assert.throws(() => encodeUnixPath(tooLong), RangeError);
    assert.ok(!existsSync(tooLong));
    assert.deepEqual(leakedSince(before), []);
  });
});
