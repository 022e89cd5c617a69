/** A listening socket that came from outside: first in its group, never shut down, and where connections wait. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { parseListenSpec } from "../../src/config/values/listen_spec.ts";
import { Inheritor } from "../../src/handoff/inherit.ts";
import { addActivatedSockets } from "../../src/handoff/activated_sockets.ts";
import type { Fd } from "../../src/platform/fd.ts";
import { C } from "../../src/platform/libc/constants.ts";
import type { Platform } from "../../src/platform/platform.ts";
import { Listeners } from "../../src/steering/listeners.ts";
import { freePort } from "../support/free_port.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { connectInet } from "../support/raw_client.ts";
import { testPlatform } from "../support/test_platform.ts";

const CONNECTIONS = 20;
const BACKLOG = 128;

/** As systemd makes it: SO_REUSEADDR always, SO_REUSEPORT with ReusePort=yes. */
function systemdSocket(platform: Platform, port: number, reusePort: boolean): Fd {
  const { sockets, descriptors } = platform;
  const socket = sockets.stream("inet");
  sockets.setOption(socket, C.SOL_SOCKET, C.SO_REUSEADDR, 1);
  if (reusePort) sockets.setOption(socket, C.SOL_SOCKET, C.SO_REUSEPORT, 1);
  sockets.bindInet(socket, { family: "inet", host: "127.0.0.1", port, scope: 0 });
  sockets.listen(socket, BACKLOG);
  descriptors.setNonblocking(socket);
  return socket;
}

/** How many connections wait in a listener; they are closed. */
function waitingIn(platform: Platform, listener: Fd): number {
  platform.descriptors.setNonblocking(listener);
  let count = 0;
  for (
    let next = platform.sockets.accept(listener);
    next;
    next = platform.sockets.accept(listener)
  ) {
    next.close();
    count++;
  }
  return count;
}

describe("addResidents()", () => {
  for (const reusePort of [false, true]) {
    test(`a socket ${reusePort ? "with" : "without"} ReusePort=yes serves first, and last`, {
      timeout: TEST_TIMEOUT_MS,
    }, async () => {
      await using platform = await testPlatform();
      const port = await freePort();
      const theirs = systemdSocket(platform, port, reusePort);
      const address = { family: "inet", host: "127.0.0.1", port, scope: 0 } as const;
      const clients: Fd[] = [];
      const connect = (count = CONNECTIONS) => {
        for (let i = 0; i < count; i++) clients.push(connectInet(platform, address));
      };
      const listeners = new Listeners(platform.sockets);
      try {
        connect(3);
        const own = { ...address, v6only: false, boundInterface: 0 };
        const resident = { address: own, origin: "grouped" } as const;
        const fd = platform.descriptors.duplicate(theirs);
        assert.deepEqual(addActivatedSockets(platform, listeners, [{ ...resident, fd }]), []);
        const specs = [parseListenSpec(`127.0.0.1:${port}`, 0)];
        const inheritor = new Inheritor(platform, listeners, specs, BACKLOG);

        const [first] = inheritor.membersFor({ epoch: 0, worker: 0 }, null);
        assert.equal(first?.heldUntilRetired, fd, "what waits in it is for the first generation");
        listeners.switchTo(0);
        connect();
        assert.equal(waitingIn(platform, theirs), 3 + CONNECTIONS);

        const [second] = inheritor.membersFor({ epoch: 1, worker: 0 }, null);
        assert.notEqual(second, first);
        connect();
        assert.equal(waitingIn(platform, theirs), CONNECTIONS, "a candidate gets nothing");
        listeners.switchTo(1);
        connect();
        assert.equal(waitingIn(platform, second!.heldUntilRetired), CONNECTIONS);
        listeners.retire(0);
        const [third] = inheritor.membersFor({ epoch: 2, worker: 0 }, null);
        assert.notEqual(third, first, "it stays free, for the end");
        listeners.switchTo(2);
        listeners.retire(1);

        listeners.standBy();
        connect();
        assert.equal(waitingIn(platform, third!.heldUntilRetired), 0);
        listeners.retire(2);
        listeners.close();
        connect();
        assert.equal(waitingIn(platform, theirs), 2 * CONNECTIONS, "it outlives baton");
      } finally {
        listeners.close();
        clients.forEach((client) => client.close());
        theirs.close();
      }
    });
  }

  test("one that nobody can join is shared, and put back as it was", {
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    await using platform = await testPlatform();
    const { sockets } = platform;
    const port = await freePort();
    const theirs = systemdSocket(platform, port, false);
    // A connection without SO_REUSEADDR stands in the way of every later bind, as another user's socket does.
    sockets.setOption(theirs, C.SOL_SOCKET, C.SO_REUSEADDR, 0);
    const address = { family: "inet", host: "127.0.0.1", port, scope: 0 } as const;
    using client = connectInet(platform, address);
    assert.ok(client.isOpen);
    const listeners = new Listeners(sockets);
    try {
      const fd = platform.descriptors.duplicate(theirs);
      const own = { ...address, v6only: false, boundInterface: 0 };
      const resident = { fd, address: own, origin: "grouped" } as const;
      const [notice] = addActivatedSockets(platform, listeners, [resident]);
      assert.match(notice ?? "", /is shared by all generations/);
      assert.equal(sockets.option(theirs, C.SOL_SOCKET, C.SO_REUSEPORT), 0);
      const specs = [parseListenSpec(`127.0.0.1:${port}`, 0)];
      const inheritor = new Inheritor(platform, listeners, specs, BACKLOG);
      const inodes = [0, 1].flatMap((epoch) => {
        const members = inheritor.membersFor({ epoch: epoch, worker: 0 }, null).map(({ inode }) =>
          inode
        );
        listeners.switchTo(epoch);
        return members;
      });
      assert.equal(new Set(inodes).size, 1, "both generations have the same socket");
      assert.deepEqual([...listeners.groups[0]!.receivingEpochs], [1]);
      listeners.retire(0);
      listeners.retire(1);
      listeners.close();
      assert.equal(sockets.option(theirs, C.SOL_SOCKET, C.SO_ACCEPTCONN), 1);
    } finally {
      listeners.close();
      theirs.close();
    }
  });
});
