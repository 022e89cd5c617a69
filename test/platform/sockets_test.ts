/** Sockets: creation, addresses, options, credentials, and the reuseport program. */
import assert from "node:assert/strict";
import process from "node:process";
import { describe, test } from "node:test";
import { formatAddress, type InetAddress } from "../../src/platform/network/address.ts";
import type { Fd } from "../../src/platform/fd.ts";
import { C } from "../../src/platform/libc/constants.ts";
import type { Platform } from "../../src/platform/platform.ts";
import { programFor } from "../../src/steering/bpf_program.ts";
import { noIpv6 } from "../support/features.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { connectInet, listenAt } from "../support/raw_client.ts";
import { systemCallError } from "../support/system_call_error.ts";
import { tempDir } from "../support/temp_dir.ts";
import { testPlatform } from "../support/test_platform.ts";

const ENOTSOCK = "ENOTSOCK";
const skipIpv6 = noIpv6(await testPlatform());

const isCloseOnExec = (platform: Platform, fd: Fd) =>
  platform.libc.c.fcntl(fd.number, C.F_GETFD, 0) === C.FD_CLOEXEC;
const isNonblocking = (platform: Platform, fd: Fd) =>
  (platform.descriptors.statusFlags(fd) & C.O_NONBLOCK) !== 0;

describe("Sockets.stream()", () => {
  for (
    const [family, domain] of [
      ["inet", C.AF_INET],
      ["inet6", C.AF_INET6],
      ["unix", C.AF_UNIX],
    ] as const
  ) {
    test(`makes a close-on-exec stream socket of family ${family}`, {
      skip: family === "inet6" && skipIpv6,
      timeout: TEST_TIMEOUT_MS,
    }, async () => {
      await using platform = await testPlatform();
      const { sockets } = platform;
      using blocking = sockets.stream(family);
      using nonblocking = sockets.stream(family, { nonblocking: true });
      assert.equal(sockets.option(blocking, C.SOL_SOCKET, C.SO_DOMAIN), domain);
      assert.equal(sockets.option(blocking, C.SOL_SOCKET, C.SO_TYPE), C.SOCK_STREAM);
      const protocol = family === "unix" ? 0 : C.IPPROTO_TCP;
      assert.equal(sockets.option(blocking, C.SOL_SOCKET, C.SO_PROTOCOL), protocol);
      assert.ok(isCloseOnExec(platform, blocking) && isCloseOnExec(platform, nonblocking));
      assert.equal(isNonblocking(platform, blocking), false);
      assert.equal(isNonblocking(platform, nonblocking), true);
    });
  }

  test("pair() is connected, close-on-exec, and keeps message boundaries", {
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    await using platform = await testPlatform();
    const { sockets } = platform;
    const [a, b] = sockets.pair();
    assert.ok(isCloseOnExec(platform, a) && isCloseOnExec(platform, b));
    assert.equal(sockets.option(a, C.SOL_SOCKET, C.SO_TYPE), C.SOCK_SEQPACKET);
    a.close();
    b.close();
  });
});

describe("Sockets: bind, listen and accept", () => {
  for (const host of ["127.0.0.1", "::1"]) {
    test(`a listener at ${host} accepts one connection after the other, and then none`, {
      skip: host === "::1" && skipIpv6,
      timeout: TEST_TIMEOUT_MS,
    }, async () => {
      await using platform = await testPlatform();
      const { sockets } = platform;
      const { listener, address } = listenAt(platform, host);
      assert.equal(address.host, host);
      assert.ok(address.port > 0);
      assert.equal(sockets.option(listener, C.SOL_SOCKET, C.SO_ACCEPTCONN), 1);
      assert.equal(sockets.accept(listener), null);
      using first = connectInet(platform, address);
      using second = connectInet(platform, address);
      using accepted = sockets.accept(listener)!;
      using next = sockets.accept(listener)!;
      assert.equal(sockets.accept(listener), null);
      assert.ok(isCloseOnExec(platform, accepted) && isNonblocking(platform, accepted));
      assert.deepEqual(sockets.localAddress(accepted), address);
      platform.descriptors.writeAll(first, Uint8Array.of(1));
      platform.descriptors.writeAll(second, Uint8Array.of(2));
      assert.deepEqual([...platform.descriptors.read(accepted, new Uint8Array(9))!], [1]);
      assert.deepEqual([...platform.descriptors.read(next, new Uint8Array(9))!], [2]);
      listener.close();
      const failure = systemCallError({
        call: "connect",
        code: "ECONNREFUSED",
        subject: formatAddress(address),
      });
      assert.throws(() => connectInet(platform, address), failure);
    });
  }

  test("bindInet() names the address that is taken", { timeout: TEST_TIMEOUT_MS }, async () => {
    await using platform = await testPlatform();
    const { listener, address } = listenAt(platform, "127.0.0.1");
    using second = platform.sockets.stream("inet");
    const subject = formatAddress(address);
    assert.throws(
      () => platform.sockets.bindInet(second, address),
      systemCallError({ call: "bind", code: "EADDRINUSE", subject }),
    );
    listener.close();
  });

  test("accept() and listen() name the descriptor that they failed on", {
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    await using platform = await testPlatform();
    const { descriptors, sockets } = platform;
    using socket = sockets.stream("inet");
    const subject = `descriptor ${socket.number}`;
    const notListening = systemCallError({ call: "accept4", code: "EINVAL", subject });
    assert.throws(() => sockets.accept(socket), notListening);
    const { read, write } = descriptors.pipe();
    assert.throws(
      () => sockets.listen(read, 1),
      systemCallError({ call: "listen", code: ENOTSOCK, subject: `descriptor ${read.number}` }),
    );
    read.close();
    write.close();
  });

  test("localAddress() of a Unix socket is null, of an unbound one is port 0", {
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    await using platform = await testPlatform();
    const { sockets } = platform;
    using unix = sockets.stream("unix");
    using inet = sockets.stream("inet");
    assert.equal(sockets.localAddress(unix), null);
    const unbound: InetAddress = { family: "inet", host: "0.0.0.0", port: 0, scope: 0 };
    assert.deepEqual(sockets.localAddress(inet), unbound);
  });
});

describe("Sockets: Unix", () => {
  test("a connection tells who is at the other end", { timeout: TEST_TIMEOUT_MS }, async () => {
    await using platform = await testPlatform();
    const { sockets, runtime } = platform;
    using dir = tempDir();
    const path = dir.join("socket");
    using listener = sockets.stream("unix", { nonblocking: true });
    sockets.bindUnix(listener, path);
    sockets.listen(listener, 1);
    using client = sockets.stream("unix");
    sockets.connectUnix(client, path);
    using server = sockets.accept(listener)!;
    const us = { pid: runtime.pid, uid: process.getuid!(), gid: process.getgid!() };
    assert.deepEqual(sockets.peerCredentials(server), us);
    assert.deepEqual(sockets.peerCredentials(client), us);
  });

  test("connectUnix() says whether nobody listens or there is no such path", {
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    await using platform = await testPlatform();
    const { sockets } = platform;
    using dir = tempDir();
    const path = dir.join("socket");
    using client = sockets.stream("unix");
    const missing = systemCallError({ call: "connect", code: "ENOENT", subject: path });
    assert.throws(() => sockets.connectUnix(client, path), missing);
    using bound = sockets.stream("unix");
    sockets.bindUnix(bound, path);
    const refused = systemCallError({ call: "connect", code: "ECONNREFUSED", subject: path });
    assert.throws(() => sockets.connectUnix(client, path), refused);
    using another = sockets.stream("unix");
    const taken = systemCallError({ call: "bind", code: "EADDRINUSE", subject: path });
    assert.throws(() => sockets.bindUnix(another, path), taken);
  });
});

describe("Sockets: options", () => {
  test("an integer option is set and read", { timeout: TEST_TIMEOUT_MS }, async () => {
    await using platform = await testPlatform();
    const { sockets } = platform;
    using socket = sockets.stream("inet");
    assert.equal(sockets.option(socket, C.SOL_SOCKET, C.SO_REUSEPORT), 0);
    sockets.setOption(socket, C.SOL_SOCKET, C.SO_REUSEPORT, 1);
    assert.equal(sockets.option(socket, C.SOL_SOCKET, C.SO_REUSEPORT), 1);
    sockets.setOption(socket, C.SOL_SOCKET, C.SO_REUSEPORT, 0);
    assert.equal(sockets.option(socket, C.SOL_SOCKET, C.SO_REUSEPORT), 0);
  });

  test(
    "a refused option names itself and the descriptor",
    { timeout: TEST_TIMEOUT_MS },
    async () => {
      await using platform = await testPlatform();
      const { descriptors, sockets } = platform;
      const { read, write } = descriptors.pipe();
      const subject = `option ${C.SO_TYPE} of descriptor ${read.number}`;
      assert.throws(
        () => sockets.option(read, C.SOL_SOCKET, C.SO_TYPE),
        systemCallError({ call: "getsockopt", code: ENOTSOCK, subject }),
      );
      assert.throws(
        () => sockets.setOption(read, C.SOL_SOCKET, C.SO_TYPE, 1),
        systemCallError({ call: "setsockopt", code: ENOTSOCK, subject }),
      );
      assert.throws(
        () => sockets.peerCredentials(read),
        systemCallError({ call: "getsockopt", code: ENOTSOCK, subject: "SO_PEERCRED" }),
      );
      read.close();
      write.close();
    },
  );

  for (const [timeoutMs, sec, usec] of [[0, 0, 0], [40, 0, 40_000], [1500, 1, 500_000]] as const) {
    test(`setTimeouts(${timeoutMs}) is ${sec} s and ${usec} us in the kernel`, {
      timeout: TEST_TIMEOUT_MS,
    }, async () => {
      await using platform = await testPlatform();
      const { libc, sockets } = platform;
      using socket = sockets.stream("inet");
      sockets.setTimeouts(socket, timeoutMs);
      for (const name of [C.SO_RCVTIMEO, C.SO_SNDTIMEO]) {
        const value = new BigInt64Array(2);
        const length = new Uint8Array(new Uint32Array([16]).buffer);
        const bytes = new Uint8Array(value.buffer);
        assert.equal(libc.c.getsockopt(socket.number, C.SOL_SOCKET, name, bytes, length), 0);
        assert.deepEqual([...value].map(Number), [sec, usec]);
      }
    });
  }

  test("after setTimeouts() a read gives up instead of waiting for ever", {
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    await using platform = await testPlatform();
    const [a, b] = platform.sockets.pair();
    platform.sockets.setTimeouts(a, 30);
    const startedAt = performance.now();
    assert.equal(platform.descriptors.receive(a, 10), null);
    assert.ok(performance.now() - startedAt >= 25);
    a.close();
    b.close();
  });
});

describe("Sockets.attachReuseportProgram()", () => {
  const pick = (index: number) => programFor({ receiving: [index] });

  for (const host of ["127.0.0.1", "::1"]) {
    test(`sends each new connection at ${host} to the member that the program names`, {
      skip: host === "::1" && skipIpv6,
      timeout: TEST_TIMEOUT_MS,
    }, async () => {
      await using platform = await testPlatform();
      const { sockets } = platform;
      const first = listenAt(platform, host, { reuseport: true });
      const { address } = first;
      const second = listenAt(platform, host, { reuseport: true, port: address.port });
      for (const [index, chosen, other] of [[1, second, first], [0, first, second]] as const) {
        sockets.attachReuseportProgram(second.listener, pick(index));
        const clients = Array.from({ length: 8 }, () => connectInet(platform, address));
        const accepted = clients.map(() => sockets.accept(chosen.listener)!);
        assert.ok(accepted.every((socket) => socket !== null), `member ${index} gets all`);
        assert.equal(sockets.accept(other.listener), null);
        for (const socket of [...clients, ...accepted]) socket.close();
      }
      first.listener.close();
      second.listener.close();
    });
  }

  test("fails on a socket that was bound without SO_REUSEPORT, and on a wrong program", {
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    await using platform = await testPlatform();
    const { sockets } = platform;
    const { listener } = listenAt(platform, "127.0.0.1");
    const failure = systemCallError({
      call: "setsockopt",
      code: "EINVAL",
      subject: `option ${C.SO_ATTACH_REUSEPORT_CBPF} of descriptor ${listener.number}`,
    });
    assert.throws(() => sockets.attachReuseportProgram(listener, pick(0)), failure);
    listener.close();
    const member = listenAt(platform, "127.0.0.1", { reuseport: true });
    const jumpsOut = Uint8Array.of(0x05, 0, 0, 0, 9, 0, 0, 0);
    const neverReturns = Uint8Array.of(0x20, 0, 0, 0, 0, 0, 0, 0);
    for (const wrong of [neverReturns, jumpsOut]) {
      assert.throws(() => sockets.attachReuseportProgram(member.listener, wrong), /: EINVAL$/);
    }
    sockets.attachReuseportProgram(member.listener, pick(0));
    member.listener.close();
  });
});
