/** What is done with the UDP sockets of a server besides leading datagrams to them. */
import assert from "node:assert/strict";
import process from "node:process";
import { describe, test } from "node:test";
import { releaseConnected } from "../../../src/handoff/datagrams/connected_datagrams.ts";
import { copyOptions } from "../../../src/handoff/datagrams/copy_options.ts";
import { LeftDatagrams } from "../../../src/handoff/datagrams/left_datagrams.ts";
import {
  holderOfDatagrams,
  unmanagedDatagrams,
} from "../../../src/handoff/datagrams/unmanaged_datagrams.ts";
import { C } from "../../../src/platform/libc/constants.ts";
import {
  IPV4_OPTIONS,
  IPV6_OPTIONS,
  SOCKET_OPTIONS,
} from "../../../src/platform/libc/udp_options.ts";
import { makeRoom, udpSocket } from "../../../src/platform/network/udp_socket.ts";
import { ownSocketInode, processName } from "../../../src/platform/process/proc.ts";
import { boundSocket } from "../../../src/steering/bound_socket.ts";
import { Listeners } from "../../../src/steering/listeners.ts";
import type { GroupAddress } from "../../../src/steering/member.ts";
import { noIpv6 } from "../../support/features.ts";
import { freePort } from "../../support/free_port.ts";
import { testPlatform } from "../../support/test_platform.ts";

const skipIpv6 = noIpv6(await testPlatform());

async function udpAddress(): Promise<GroupAddress> {
  const rest = { scope: 0, v6only: false, boundInterface: 0 };
  return { protocol: "udp", family: "inet", host: "127.0.0.1", port: await freePort(), ...rest };
}

describe("copyOptions()", () => {
  const { SO_RCVBUF, SO_BROADCAST } = SOCKET_OPTIONS;
  const { IP_PKTINFO, IP_RECVTOS } = IPV4_OPTIONS;
  const { IPV6_RECVPKTINFO } = IPV6_OPTIONS;

  test("gives what a server has set before its bind", async () => {
    await using platform = await testPlatform();
    const { sockets } = platform;
    using from = udpSocket(sockets, "inet");
    using to = udpSocket(sockets, "inet");
    const wanted = [
      [C.SOL_SOCKET, SO_RCVBUF, 50_000],
      [C.SOL_SOCKET, SO_BROADCAST, 1],
      [C.IPPROTO_IP, IP_PKTINFO, 1],
      [C.IPPROTO_IP, IP_RECVTOS, 1],
    ] as const;
    for (const [level, name, value] of wanted) sockets.setOption(from, level, name, value);
    sockets.setOption(to, C.SOL_SOCKET, SO_RCVBUF, 10_000);
    copyOptions(sockets, from, to);
    for (const [level, name] of wanted) {
      assert.equal(sockets.option(to, level, name), sockets.option(from, level, name));
    }
    assert.equal(sockets.option(to, C.SOL_SOCKET, SO_RCVBUF), 100_000);
  });

  test("leaves a large queue its room", async () => {
    await using platform = await testPlatform();
    const { sockets } = platform;
    using from = udpSocket(sockets, "inet");
    using to = udpSocket(sockets, "inet");
    makeRoom(sockets, to);
    const room = sockets.option(to, C.SOL_SOCKET, SO_RCVBUF);
    assert.ok(room > sockets.option(from, C.SOL_SOCKET, SO_RCVBUF), String(room));
    copyOptions(sockets, from, to);
    assert.equal(sockets.option(to, C.SOL_SOCKET, SO_RCVBUF), room);
  });

  test("takes back what only the earlier server had set", { skip: skipIpv6 }, async () => {
    await using platform = await testPlatform();
    const { sockets } = platform;
    using from = udpSocket(sockets, "inet6");
    using to = udpSocket(sockets, "inet6");
    sockets.setOption(to, C.IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
    copyOptions(sockets, from, to);
    assert.equal(sockets.option(to, C.IPPROTO_IPV6, IPV6_RECVPKTINFO), 0);
  });
});

describe("a UDP socket of a generation", () => {
  test("is let go when its server has connected it", async () => {
    await using platform = await testPlatform();
    const { sockets } = platform;
    const listeners = new Listeners(sockets);
    const group = listeners.obtain(await udpAddress());
    const own = { epoch: 0, owner: process.pid, backlog: 0, late: false };
    const member = group.takeMember(boundSocket(group), own);
    using servers = platform.descriptors.duplicate(member.heldUntilRetired);
    releaseConnected(listeners, 0);
    assert.equal(listeners.groups.length, 1, "not while any peer reaches it");
    const peer = { family: "inet", host: "127.0.0.1", port: await freePort(), scope: 0 } as const;
    sockets.connectInet(servers, peer);
    releaseConnected(listeners, 0);
    assert.equal(listeners.groups.length, 0);
    assert.deepEqual(sockets.peerAddress(servers), peer, "and is as it was");
  });

  test("keeps its options: those of a tag mean something there", async () => {
    await using platform = await testPlatform();
    const { sockets } = platform;
    const listeners = new Listeners(sockets);
    const group = listeners.obtain(await udpAddress());
    const socket = boundSocket(group);
    const IP_MULTICAST_LOOP = 34;
    const own = { epoch: 5, owner: process.pid, backlog: 0, late: false };
    const { tag, heldUntilRetired } = group.takeMember(socket, own);
    assert.equal(tag, 0);
    assert.equal(sockets.option(heldUntilRetired, C.IPPROTO_IP, IP_MULTICAST_LOOP), 1);
    listeners.close();
  });
});

test("unmanagedDatagrams() finds a stranger's socket, also at all addresses", async () => {
  await using platform = await testPlatform();
  const { sockets } = platform;
  const listeners = new Listeners(sockets);
  const address = await udpAddress();
  assert.equal(unmanagedDatagrams(listeners, address), null);
  using stranger = udpSocket(sockets, "inet");
  sockets.bindInet(stranger, { ...address, host: "0.0.0.0" });
  const found = unmanagedDatagrams(listeners, address);
  assert.equal(found?.inode, ownSocketInode(stranger.number));
  assert.equal(holderOfDatagrams(found!), `${processName(process.pid)} (pid ${process.pid})`);
});

test("LeftDatagrams names those that are still open", async () => {
  await using platform = await testPlatform();
  using open = udpSocket(platform.sockets, "inet");
  const left = new LeftDatagrams();
  assert.deepEqual(left.heldBy([process.pid]), []);
  left.add(ownSocketInode(open.number), "udp:127.0.0.1:53");
  left.add(1, "udp:127.0.0.1:20000");
  assert.deepEqual(left.heldBy([process.pid]), ["udp:127.0.0.1:53"]);
  assert.deepEqual(left.heldBy([]), []);
});
