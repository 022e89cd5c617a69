/** Unix sockets as the kernel shows them, against sockets that the test has made itself. */
import assert from "node:assert/strict";
import { renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import type { Fd } from "../../src/platform/fd.ts";
import { UnixDiag, type UnixSocket } from "../../src/platform/network/unix_diag.ts";
import type { Platform } from "../../src/platform/platform.ts";
import { ownSocketInode } from "../../src/platform/process/proc.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { SystemCallError } from "../../src/platform/error.ts";
import { tempDir } from "../support/temp_dir.ts";
import { testPlatform } from "../support/test_platform.ts";

const timeout = TEST_TIMEOUT_MS;

class World implements Disposable {
  readonly open: Fd[] = [];
  readonly listener: Fd;

  constructor(
    readonly platform: Platform,
    readonly path: string,
    type: "stream" | "packets" = "stream",
  ) {
    const { sockets } = platform;
    this.listener = this.own(type === "stream" ? sockets.stream("unix") : sockets.packets());
    sockets.bindUnix(this.listener, path);
    sockets.listen(this.listener, 5);
  }

  own(fd: Fd): Fd {
    this.open.push(fd);
    return fd;
  }

  connect(type: "stream" | "packets" = "stream"): Fd {
    const { sockets } = this.platform;
    const client = this.own(type === "stream" ? sockets.stream("unix") : sockets.packets());
    sockets.connectUnix(client, this.path);
    return client;
  }

  accept(): Fd {
    return this.own(this.platform.sockets.accept(this.listener)!);
  }

  row(fd: Fd): UnixSocket | undefined {
    const inode = ownSocketInode(fd.number);
    return this.platform.unixDiag.sockets().find((each) => each.inode === inode);
  }

  [Symbol.dispose](): void {
    for (const fd of this.open) fd.close();
  }
}

describe("UnixDiag.sockets()", () => {
  for (const type of ["stream", "packets"] as const) {
    test(`shows a listener of type ${type} with what waits in its queue`, { timeout }, async () => {
      await using platform = await testPlatform();
      using dir = tempDir();
      const path = join(dir.path, "x.sock");
      using world = new World(platform, path, type);
      for (let waiting = 0; waiting <= 3; waiting++) {
        const { node, ...row } = world.row(world.listener)!;
        assert.match(node!, /^\d+:\d+$/);
        const inode = ownSocketInode(world.listener.number);
        const shown = { isListener: true, peer: null, receiveQueue: waiting, sendQueue: 5 };
        assert.deepEqual(row, { inode, name: path, ...shown });
        world.connect(type);
      }
    });
  }

  test("shows of a connection its listener's node, also when that is elsewhere", {
    timeout,
  }, async () => {
    await using platform = await testPlatform();
    using dir = tempDir();
    using world = new World(platform, join(dir.path, "x.sock"));
    const { node } = world.row(world.listener)!;
    const client = world.connect();
    const accepted = world.accept();
    const peer = ownSocketInode(client.number);
    const inode = ownSocketInode(accepted.number);
    const rest = { isListener: false, receiveQueue: 0, sendQueue: 0 };
    const expected = { inode, name: world.path, node, peer, ...rest };
    assert.deepEqual(world.row(accepted), expected);
    renameSync(world.path, `${world.path}.old`);
    using next = new World(platform, world.path);
    assert.notEqual(next.row(next.listener)!.node, node, "a generation of its own");
    assert.deepEqual(world.row(accepted), expected);
    rmSync(`${world.path}.old`);
    assert.deepEqual(world.row(accepted), expected);
    assert.equal(world.row(client)!.name, null, "the client's end has no name");
  });

  test("shows what was not read at either end, and that the client has gone", {
    timeout,
  }, async () => {
    await using platform = await testPlatform();
    using dir = tempDir();
    using world = new World(platform, join(dir.path, "x.sock"));
    const client = world.connect();
    const accepted = world.accept();
    const { descriptors } = platform;
    descriptors.write(client, new Uint8Array(10));
    assert.equal(world.row(accepted)!.receiveQueue, 10);
    descriptors.read(accepted, new Uint8Array(20));
    assert.equal(world.row(accepted)!.receiveQueue, 0);
    descriptors.write(accepted, new Uint8Array(10));
    assert.ok(world.row(accepted)!.sendQueue >= 10);
    descriptors.read(client, new Uint8Array(20));
    assert.equal(world.row(accepted)!.sendQueue, 0);
    client.close();
    assert.equal(world.row(accepted)!.peer, 0);
  });

  test("shows an abstract name, which has no node", { timeout }, async () => {
    await using platform = await testPlatform();
    const name = `@baton-test-${platform.runtime.pid}-${Date.now()}`;
    using world = new World(platform, name);
    world.connect();
    const accepted = world.accept();
    for (const fd of [world.listener, accepted]) {
      const { name: shown, node } = world.row(fd)!;
      assert.deepEqual([shown, node], [name, null]);
    }
  });

  test("reads /proc/net/unix where there is no unix_diag: the same, but for nodes and queues", {
    timeout,
  }, async () => {
    await using platform = await testPlatform();
    using dir = tempDir();
    using world = new World(platform, join(dir.path, "x y.sock"));
    world.connect();
    world.accept();
    world.connect();
    const isOurs = ({ name }: UnixSocket) => name === world.path;
    const shown = platform.unixDiag.sockets().filter(isOurs);
    const refused = new UnixDiag(platform.libc, {
      remote: null,
      open: () => {
        throw new SystemCallError("socket", 1, "NETLINK_SOCK_DIAG");
      },
    });
    const read = refused.sockets().filter(isOurs);
    const known = ({ inode, isListener, receiveQueue }: UnixSocket) => (
      { inode, isListener, receiveQueue }
    );
    const byInode = (a: UnixSocket, b: UnixSocket) => a.inode - b.inode;
    assert.deepEqual(read.sort(byInode).map(known), shown.sort(byInode).map(known));
    assert.equal(read.find(({ isListener }) => isListener)!.receiveQueue, 1);
  });

  test(
    "says so when baton is short of descriptors: that is no empty table",
    { timeout },
    async () => {
      await using platform = await testPlatform();
      const diag = new UnixDiag(platform.libc, {
        remote: null,
        open: () => {
          throw new SystemCallError("socket", 24, "NETLINK_SOCK_DIAG");
        },
      });
      assert.throws(() => diag.sockets(), SystemCallError);
    },
  );
});
