/** Changes of many descriptors, and duplicates of sockets whose owner connects, sends, binds or closes. */
import assert from "node:assert/strict";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import process from "node:process";
import { describe, test } from "node:test";
import { HeldSockets } from "../../src/handoff/duplicates/held_sockets.ts";
import { Edges } from "../../src/platform/edges.ts";
import type { Fd } from "../../src/platform/fd.ts";
import { C } from "../../src/platform/libc/constants.ts";
import {
  networkOf,
  protocolName,
  socketAsAsked,
  socketAt,
} from "../../src/platform/network/server_sockets.ts";
import type { Platform } from "../../src/platform/platform.ts";
import * as proc from "../../src/platform/process/proc.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { testPlatform } from "../support/test_platform.ts";
import { waitUntil } from "../support/wait_until.ts";

const TEST = { timeout: TEST_TIMEOUT_MS };
const EPOCH = 7;
/** Higher than any. */
const NO_PROCESS = 0x7ffffff0;
const LOOPBACK = { family: "inet", host: "127.0.0.1", scope: 0 } as const;

/** A socket of "the server": here another number of this process. */
function give(
  platform: Platform,
  held: HeldSockets,
  { isBound = false, pid = process.pid } = {},
): Fd {
  const fd = platform.sockets.stream("inet");
  const own = platform.descriptors.duplicate(fd);
  held.add({
    fd,
    inode: proc.ownSocketInode(fd.number),
    epoch: EPOCH,
    isBound,
    pid,
    number: own.number,
  });
  return own;
}

async function countEnds() {
  let ended = 0;
  const server = createServer((socket) => {
    socket.on("end", () => {
      ended++;
      socket.end();
    });
    socket.resume();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return { port, ended: () => ended, [Symbol.dispose]: () => void server.close() };
}

describe("Edges", () => {
  test("reports a change once, and nothing of what is removed", TEST, async () => {
    await using platform = await testPlatform();
    const seen: number[] = [];
    const edges = new Edges(platform.libc, platform.reactor, (token) => seen.push(token));
    const { read, write } = platform.descriptors.pipe();
    edges.add(read, 5);
    platform.descriptors.writeAll(write, Uint8Array.of(1));
    await waitUntil(() => seen.length === 1, { what: "the first byte is reported" });
    // It can still be read: no edge.
    edges.look();
    assert.deepEqual(seen, [5]);
    platform.descriptors.writeAll(write, Uint8Array.of(1));
    await waitUntil(() => seen.length === 2, { what: "the second byte is reported" });
    edges.remove(read);
    platform.descriptors.writeAll(write, Uint8Array.of(1));
    edges.look();
    assert.deepEqual(seen, [5, 5]);
    edges.close();
    read.close();
    write.close();
  });
});

describe("HeldSockets", () => {
  test("lets go of a socket that connects: its close reaches the peer", TEST, async () => {
    await using platform = await testPlatform();
    using peer = await countEnds();
    const held = new HeldSockets(platform);
    for (let i = 0; i < 50; i++) {
      const own = give(platform, held);
      platform.sockets.connectInet(own, { ...LOOPBACK, port: peer.port });
      own.close();
    }
    await waitUntil(() => peer.ended() === 50, { what: "all have ended" });
    assert.equal(held.size, 0);
  });

  test("keeps one that is bound, finds it, and lets go of it at its listen", TEST, async () => {
    await using platform = await testPlatform();
    const held = new HeldSockets(platform);
    const own = give(platform, held, { isBound: true });
    // Of a process that is gone.
    const unused = give(platform, held, { pid: NO_PROCESS });
    platform.sockets.bindInet(own, { ...LOOPBACK, port: 0 });
    const place = { tid: process.pid, pid: process.pid, number: own.number };
    const found = held.find({ ...place, epoch: EPOCH });
    assert.equal(found?.inode, proc.ownSocketInode(own.number));
    assert.equal(held.find({ ...place, epoch: EPOCH + 1 }), null, "of another generation");
    held.look();
    assert.equal(held.size, 1, "what was never used, and is closed, is given up");
    unused.close();
    held.release(found!.inode);
    assert.equal(held.size, 0);
    own.close();
  });

  test("lets go of all of a generation that has ended", TEST, async () => {
    await using platform = await testPlatform();
    const held = new HeldSockets(platform);
    const own = [give(platform, held, { isBound: true }), give(platform, held)];
    held.releaseAll(EPOCH);
    assert.equal(held.size, 0);
    for (const fd of own) fd.close();
  });
});

describe("server_sockets.ts", () => {
  test("names the protocol of a descriptor, and the socket that it is", TEST, async () => {
    await using platform = await testPlatform();
    const { libc } = platform;
    const kinds: [domain: number, type: number, name: string][] = [
      [C.AF_INET, C.SOCK_STREAM, "TCP"],
      [C.AF_INET6, C.SOCK_STREAM, "TCPv6"],
      [C.AF_INET, C.SOCK_DGRAM, "UDP"],
      [C.AF_UNIX, C.SOCK_STREAM, "UNIX-STREAM"],
    ];
    for (const [domain, type, name] of kinds) {
      using fd = socketAsAsked(libc, domain, type, 0);
      assert.equal(protocolName(libc, process.pid, fd.number), name);
      assert.equal(socketAt(process.pid, fd.number), proc.ownSocketInode(fd.number));
    }
    const { read, write } = platform.descriptors.pipe();
    assert.equal(protocolName(libc, process.pid, read.number), null);
    assert.equal(socketAt(process.pid, read.number), null);
    read.close();
    write.close();
  });

  test("knows a network namespace by a number", TEST, () => {
    assert.equal(networkOf("self"), networkOf(process.ppid));
    assert.equal(networkOf(NO_PROCESS), null);
  });
});
