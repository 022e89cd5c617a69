/** The kernel's socket table as baton reads it, against sockets that the test has made itself. */
import assert from "node:assert/strict";
import process from "node:process";
import { describe, test } from "node:test";
import type { InetAddress } from "../../src/platform/network/address.ts";
import type { Fd } from "../../src/platform/fd.ts";
import { C } from "../../src/platform/libc/constants.ts";
import type { Libc } from "../../src/platform/libc/libc.ts";
import type { Platform } from "../../src/platform/platform.ts";
import * as proc from "../../src/platform/process/proc.ts";
import { SockDiag, type TcpSocket } from "../../src/platform/network/sock_diag.ts";
import { noIpv6 } from "../support/features.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { leakedSince, openDescriptors } from "../support/open_descriptors.ts";
import { connectInet, listenAt } from "../support/raw_client.ts";
import { systemCallError } from "../support/system_call_error.ts";
import { testPlatform } from "../support/test_platform.ts";
import { waitUntil } from "../support/wait_until.ts";

const NOBODY: InetAddress = { family: "inet", host: "0.0.0.0", port: 0, scope: 0 };
const skipIpv6 = noIpv6(await testPlatform());

function inodeOf(fd: Fd): number {
  return Number(/\d+/.exec(proc.descriptorTarget("self", fd.number) ?? "")?.[0]) >>> 0;
}

/** The one row in `state`, which must be there. */
function row(platform: Platform, port: number, state: number) {
  const rows = platform.sockDiag.tcpByLocalPort(port, [state]);
  assert.equal(rows.length, 1, JSON.stringify(rows));
  return rows[0]!;
}

/** A listener, or the other end of one of `clients`: clients of other programs may have the same port. */
function isOurs({ sockets }: Platform, clients: readonly Fd[]) {
  const ports = new Set(clients.map((client) => sockets.localAddress(client)?.port));
  return ({ state, remote }: TcpSocket) => state === C.TCP_LISTEN || ports.has(remote.port);
}

describe("SockDiag: a listener", () => {
  for (const host of ["127.0.0.1", "::1"]) {
    test(`at ${host} is shown with the connections that wait in its queue`, {
      skip: host === "::1" && skipIpv6,
      timeout: TEST_TIMEOUT_MS,
    }, async () => {
      await using platform = await testPlatform();
      const { listener, address } = listenAt(platform, host, { backlog: 5 });
      const expected = {
        state: C.TCP_LISTEN,
        local: address,
        remote: { ...NOBODY, family: address.family, host: host === "::1" ? "::" : "0.0.0.0" },
        inode: inodeOf(listener),
        uid: process.geteuid!(),
        sendQueue: 5,
        boundInterface: 0,
        // As `listenAt` makes it.
        ...host === "::1" && { v6only: true },
        tag: 0,
      };
      const clients: Fd[] = [];
      for (let waiting = 0; waiting <= 3; waiting++) {
        const { traffic: _, ...found } = row(platform, address.port, C.TCP_LISTEN);
        assert.deepEqual(found, { ...expected, receiveQueue: waiting });
        clients.push(connectInet(platform, address));
      }
      using accepted = platform.sockets.accept(listener)!;
      assert.equal(row(platform, address.port, C.TCP_LISTEN).receiveQueue, 3);
      const connections = platform.sockDiag.tcpByLocalPort(address.port, [C.TCP_ESTABLISHED]);
      const inodes = connections.map(({ inode }) => inode).sort((a, b) => a - b);
      assert.deepEqual(inodes, [0, 0, 0, inodeOf(accepted)], "only an accepted one has an inode");
      for (const fd of [...clients, listener]) fd.close();
    });
  }

  test("that is bound to an interface is shown with its index", {
    timeout: TEST_TIMEOUT_MS,
  }, async (t) => {
    await using platform = await testPlatform();
    using socket = platform.sockets.stream("inet");
    const name = new TextEncoder().encode("lo\0");
    try {
      platform.sockets.setOptionBytes(socket, C.SOL_SOCKET, C.SO_BINDTODEVICE, name);
    } catch {
      return t.skip("SO_BINDTODEVICE is refused here");
    }
    platform.sockets.bindInet(socket, { family: "inet", host: "127.0.0.1", port: 0, scope: 0 });
    platform.sockets.listen(socket, 1);
    const { port } = platform.sockets.localAddress(socket)!;
    assert.equal(row(platform, port, C.TCP_LISTEN).boundInterface, 1, "lo is always the first");
  });
});

describe("SockDiag: a connection", () => {
  test("is shown with its queues, what it has carried, and how long ago", {
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    await using platform = await testPlatform();
    const { descriptors, sockets } = platform;
    const { listener, address } = listenAt(platform, "127.0.0.1");
    using client = connectInet(platform, address);
    using server = sockets.accept(listener)!;
    const look = () => row(platform, address.port, C.TCP_ESTABLISHED);
    const fresh = look();
    assert.deepEqual(fresh.remote, sockets.localAddress(client));
    assert.equal(fresh.inode, inodeOf(server));
    assert.deepEqual([fresh.receiveQueue, fresh.sendQueue], [0, 0]);
    assert.deepEqual([fresh.traffic?.bytesAcked, fresh.traffic?.bytesReceived], [0, 0]);

    descriptors.writeAll(client, new Uint8Array(100));
    const asked = look();
    assert.equal(asked.receiveQueue, 100);
    assert.deepEqual([asked.traffic?.bytesAcked, asked.traffic?.bytesReceived], [0, 100]);

    descriptors.read(server, new Uint8Array(40));
    assert.equal(look().receiveQueue, 60);
    descriptors.read(server, new Uint8Array(100));
    descriptors.writeAll(server, new Uint8Array(50));
    const answered = await waitUntil(() => {
      const found = look();
      return found.traffic?.bytesAcked === 50 ? found : null;
    }, { what: "the answer is acknowledged" });
    assert.deepEqual([answered.receiveQueue, answered.sendQueue], [0, 0]);
    assert.equal(answered.traffic?.bytesReceived, 100);
    const { segmentsReceived, segmentsSent } = answered.traffic;
    assert.deepEqual([segmentsReceived, segmentsSent], [1, 1]);

    const { traffic: before } = look();
    const aged = await waitUntil(() => {
      const found = look().traffic!;
      return found.sinceSentMs >= before!.sinceSentMs + 100 ? found : null;
    }, { what: "100 ms have passed" });
    assert.ok(aged.sinceReceivedMs >= before!.sinceReceivedMs + 50);
    descriptors.writeAll(client, new Uint8Array(1));
    const late = look().traffic!;
    assert.ok(late.sinceReceivedMs < 90 && late.sinceReceivedMs < late.sinceSentMs);
    listener.close();
  });

  test("that nobody reads fills its send queue", { timeout: TEST_TIMEOUT_MS }, async () => {
    await using platform = await testPlatform();
    const { listener, address } = listenAt(platform, "127.0.0.1");
    using client = connectInet(platform, address);
    using server = platform.sockets.accept(listener)!;
    const chunk = new Uint8Array(256 * 1024);
    let written = 0;
    for (let count = 0; count !== null && written < 64 * 1024 * 1024;) {
      count = platform.descriptors.write(server, chunk) as number;
      written += count ?? 0;
    }
    const { sendQueue } = row(platform, address.port, C.TCP_ESTABLISHED);
    assert.ok(sendQueue > 0 && sendQueue <= written, `${sendQueue} of ${written}`);
    client.close();
    listener.close();
  });

  test("of IPv4 to a dual-stack listener is shown once, as IPv6", {
    skip: skipIpv6,
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    await using platform = await testPlatform();
    const { listener, address } = listenAt(platform, "::");
    using client = connectInet(platform, { ...NOBODY, host: "127.0.0.1", port: address.port });
    const found = row(platform, address.port, C.TCP_ESTABLISHED);
    const ofFamily = (family: InetAddress["family"]) =>
      platform.sockDiag.tcpByLocalPort(address.port, [C.TCP_ESTABLISHED], family);
    assert.deepEqual([ofFamily("inet").length, ofFamily("inet6").length], [0, 1]);
    const clientPort = platform.sockets.localAddress(client)!.port;
    const mapped = { family: "inet6", host: "::ffff:127.0.0.1", scope: 0 } as const;
    assert.deepEqual(found.local, { ...mapped, port: address.port });
    assert.deepEqual(found.remote, { ...mapped, port: clientPort });
    listener.close();
  });

  test("that its client has closed waits for its server, and then is gone", {
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    await using platform = await testPlatform();
    const { listener, address } = listenAt(platform, "127.0.0.1");
    const client = connectInet(platform, address);
    const server = platform.sockets.accept(listener)!;
    platform.libc.c.shutdown(client.number, C.SHUT_WR);
    await waitUntil(
      () => platform.sockDiag.tcpByLocalPort(address.port, [C.TCP_CLOSE_WAIT]).length === 1,
      { what: "it is in CLOSE_WAIT" },
    );
    server.close();
    client.close();
    listener.close();
    await waitUntil(() => platform.sockDiag.tcpByLocalPort(address.port).length === 0, {
      what: "nothing is left that belongs to a process",
    });
  });
});

describe("SockDiag.tcpByLocalPorts()", () => {
  test("has rows of those ports only, however many they are", {
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    await using platform = await testPlatform();
    const listeners = Array.from({ length: 12 }, () => listenAt(platform, "127.0.0.1"));
    const clients = listeners.map(({ address }) => connectInet(platform, address));
    const ports = listeners.map(({ address }) => address.port).sort((one, other) => one - other);
    const every = (each: number) => ports.filter((_, i) => i % each === 0);
    // More than one search can ask for.
    const many = [...every(3), ...Array.from({ length: 4_000 }, (_, i) => 2 * i + 1)];
    // The others lie between these.
    for (const asked of [ports, every(2), ports.slice(0, 2), many, []]) {
      const rows = platform.sockDiag.tcpByLocalPorts(asked);
      assert.deepEqual(rows.filter(({ local }) => !asked.includes(local.port)), []);
      const found = rows.filter(isOurs(platform, clients)).map(({ local }) => local.port);
      assert.deepEqual(
        found.sort((one, other) => one - other),
        ports.filter((port) => asked.includes(port)).flatMap((port) => [port, port]),
      );
    }
    const six = platform.sockDiag.tcpByLocalPorts(ports, "inet6");
    assert.deepEqual(six.filter(isOurs(platform, clients)), []);
    for (const { listener } of listeners) listener.close();
    for (const client of clients) client.close();
  });
});

describe("SockDiag.tcpByLocalPort()", () => {
  test("has rows of that port only, not of neighbours, of swapped bytes, or of its clients", {
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    await using platform = await testPlatform();
    const listeners = Array.from({ length: 24 }, () => listenAt(platform, "127.0.0.1"));
    const clients = listeners.map(({ address }) => connectInet(platform, address));
    for (const { listener, address } of listeners) {
      const all = platform.sockDiag.tcpByLocalPort(address.port);
      assert.deepEqual(all.filter(({ local }) => local.port !== address.port), []);
      const rows = all.filter(isOurs(platform, clients));
      assert.deepEqual(rows.map(({ local }) => local.port), [address.port, address.port]);
      assert.deepEqual(rows.map(({ state }) => state).sort(), [C.TCP_ESTABLISHED, C.TCP_LISTEN]);
      const swapped = ((address.port & 0xff) << 8) | (address.port >> 8);
      const others = platform.sockDiag.tcpByLocalPort(swapped);
      assert.ok(others.every(({ local }) => local.port === swapped));
      listener.close();
    }
    for (const client of clients) client.close();
  });

  test("has every socket when they fill more than one answer", {
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    await using platform = await testPlatform();
    const before = openDescriptors();
    const COUNT = 400;
    const { listener, address } = listenAt(platform, "127.0.0.1", { backlog: COUNT });
    const clients: Fd[] = [];
    const servers: Fd[] = [];
    for (let i = 0; i < COUNT; i++) {
      clients.push(connectInet(platform, address));
      servers.push(platform.sockets.accept(listener)!);
    }
    const found = platform.sockDiag.tcpByLocalPort(address.port, [C.TCP_ESTABLISHED]);
    const byNumber = (a: number, b: number) => a - b;
    assert.deepEqual(
      found.map(({ inode }) => inode).sort(byNumber),
      servers.map(inodeOf).sort(byNumber),
    );
    for (const fd of [...clients, ...servers, listener]) fd.close();
    assert.deepEqual(leakedSince(before), []);
  });

  test("is empty for a port that nobody has, and for a state that nobody is in", {
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    await using platform = await testPlatform();
    const { listener, address } = listenAt(platform, "127.0.0.1");
    assert.deepEqual(platform.sockDiag.tcpByLocalPort(address.port, [C.TCP_SYN_RECV]), []);
    listener.close();
    assert.deepEqual(platform.sockDiag.tcpByLocalPort(address.port), []);
  });
});

describe("SockDiag: an error of the kernel", () => {
  test("is thrown with its number", { timeout: TEST_TIMEOUT_MS }, async () => {
    await using platform = await testPlatform();
    const before = openDescriptors();
    // struct nlmsgerr behind struct nlmsghdr: what a kernel without inet_diag answers.
    const refusal = new DataView(new ArrayBuffer(36));
    refusal.setUint32(0, 36, true);
    refusal.setUint16(4, C.NLMSG_ERROR, true);
    refusal.setInt32(16, -C.ENOENT, true);
    const recv = (_: number, buffer: Uint8Array) => {
      buffer.set(new Uint8Array(refusal.buffer));
      return 36;
    };
    const { libc } = platform;
    const refusing = Object.create(libc, { c: { value: { ...libc.c, recv } } }) as Libc;
    const methods = ["check", "retry"] as const;
    for (const name of methods) {
      Object.defineProperty(refusing, name, { value: libc[name].bind(libc) });
    }
    assert.throws(
      () => new SockDiag(refusing, platform.sockets).tcpByLocalPort(80),
      systemCallError({ call: "dump", code: "ENOENT", subject: "TCP sockets" }),
    );
    assert.deepEqual(leakedSince(before), []);
  });
});
