/** One look at the socket table: whose connections there are, and what waits in which queue. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { SocketTable } from "../../../src/drain/connections.ts";
import type { Fd } from "../../../src/platform/fd.ts";
import { C } from "../../../src/platform/libc/constants.ts";
import * as proc from "../../../src/platform/process/proc.ts";
import { boundSocket } from "../../../src/steering/bound_socket.ts";
import { Listeners } from "../../../src/steering/listeners.ts";
import { freePort } from "../../support/free_port.ts";
import { TEST_TIMEOUT_MS } from "../../support/limits.ts";
import { spawnChild } from "../../support/own_child.ts";
import { connectInet, listenAt } from "../../support/raw_client.ts";
import { testPlatform } from "../../support/test_platform.ts";
import { waitUntil } from "../../support/wait_until.ts";

function inodeOf(fd: Fd): number {
  return Number(/\d+/.exec(proc.descriptorTarget("self", fd.number) ?? "")?.[0]) >>> 0;
}

describe("SocketTable", () => {
  test("tells the connections of one process from those of another, and from queues", {
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    await using platform = await testPlatform();
    const { sockets, runtime } = platform;
    const { listener, address } = listenAt(platform, "127.0.0.1");
    const listeners = new Listeners(sockets);
    listeners.obtain({ ...address, v6only: false, boundInterface: 0 });
    const clients = Array.from({ length: 4 }, () => connectInet(platform, address));
    const ours = sockets.accept(listener)!;
    const theirs = sockets.accept(listener)!;
    const inodes = { ours: inodeOf(ours), theirs: inodeOf(theirs), listener: inodeOf(listener) };
    const { read, write } = platform.descriptors.pipe();
    await using child = spawnChild(platform, {
      argv: ["/bin/cat"],
      descriptors: [read, 2, 2, theirs],
    });
    theirs.close();
    await waitUntil(() => proc.processName(child.pid) === "cat", { what: "it is cat" });

    const table = new SocketTable(platform, listeners);
    const inodesOf = (pids: readonly number[]) =>
      table.openBy(pids).map(({ inode }) => inode).sort();
    assert.deepEqual(inodesOf([child.pid]), [inodes.theirs]);
    // Our own clients have another local port: they are none of the service's connections.
    assert.deepEqual(inodesOf([runtime.pid]), [inodes.ours]);
    assert.deepEqual(inodesOf([runtime.pid, child.pid]), [inodes.ours, inodes.theirs].sort());
    assert.deepEqual(inodesOf([]), []);
    assert.equal(table.backlogOf(inodes.listener), 2, "two are not accepted yet");
    assert.equal(table.backlogOf(inodes.ours), 0, "no listener");
    assert.equal(table.halfOpen().size, 0);

    write.close();
    for (const fd of [...clients, ours, listener, read]) fd.close();
  });

  test(
    "a listener that shows another tag than baton gave it: its generation's connections are looked up",
    {
      timeout: TEST_TIMEOUT_MS,
    },
    async () => {
      await using platform = await testPlatform();
      const { sockets, runtime } = platform;
      const listeners = new Listeners(sockets);
      const host = { family: "inet", host: "127.0.0.1", scope: 0 } as const;
      const address = { ...host, port: await freePort(), v6only: false, boundInterface: 0 };
      const group = listeners.obtain(address);
      const own = { epoch: 0, owner: runtime.pid, late: false, backlog: 16 };
      const { heldUntilRetired: listener } = group.takeMember(boundSocket(group), own);
      const look = () => {
        let looks = 0;
        const processes = () => [runtime.pid].slice(0, ++looks);
        const found = new SocketTable(platform, listeners).connectionsOf({ epoch: 0, processes });
        return { inodes: found.map(({ inode }) => inode), looks };
      };
      using _client = connectInet(platform, address);
      assert.deepEqual(look(), { inodes: [], looks: 0 }, "in the queue");
      using connection = sockets.accept(listener)!;
      const inodes = [inodeOf(connection)];
      assert.deepEqual(look(), { inodes, looks: 0 }, "its tag tells");
      // As a server may after its listen(2).
      sockets.setOption(listener, C.IPPROTO_IP, C.IP_BIND_ADDRESS_NO_PORT, 1);
      assert.deepEqual(look(), { inodes, looks: 1 }, "its tag tells nothing");
      listeners.close();
    },
  );

  for (const [host, isOurs] of [["127.0.0.2", true], ["127.0.0.1", false]] as const) {
    test(
      `a connection to ${host}, of a service at 127.0.0.2, with its tag: ${
        isOurs ? "its own" : "looked up"
      }`,
      {
        timeout: TEST_TIMEOUT_MS,
      },
      async () => {
        await using platform = await testPlatform();
        const { sockets } = platform;
        const listeners = new Listeners(sockets);
        const { listener, address } = listenAt(platform, host);
        const tag = listeners.tagging.begin(listener, 0);
        assert.equal(tag, 1);
        listeners.obtain({ ...address, host: "127.0.0.2", v6only: false, boundInterface: 0 });
        using _client = connectInet(platform, address);
        using connection = sockets.accept(listener)!;
        let looks = 0;
        const processes = () => (looks++, []);
        const found = new SocketTable(platform, listeners).connectionsOf({ epoch: 0, processes });
        assert.deepEqual(found.map(({ inode }) => inode), isOurs ? [inodeOf(connection)] : []);
        assert.equal(looks, isOurs ? 0 : 1);
        listener.close();
      },
    );
  }

  test("without listeners is empty, and asks the kernel nothing", {
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    await using platform = await testPlatform();
    const table = new SocketTable(platform, new Listeners(platform.sockets));
    assert.deepEqual(table.sockets, []);
  });
});
