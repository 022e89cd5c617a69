/** Sockets that join a group elsewhere: in another network namespace, and of another user. */
import assert from "node:assert/strict";
import { statSync } from "node:fs";
import process from "node:process";
import { describe, test } from "node:test";
import { RemoteNetns } from "../../src/platform/network/remote_netns.ts";
import type { Fd } from "../../src/platform/fd.ts";
import { C } from "../../src/platform/libc/constants.ts";
import type { Platform } from "../../src/platform/platform.ts";
import { giveToUserOf } from "../../src/platform/network/socket_user.ts";
import { noIpv6 } from "../support/features.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { leakedSince, openDescriptors } from "../support/open_descriptors.ts";
import { connectInet, listenAt } from "../support/raw_client.ts";
import { systemCallError } from "../support/system_call_error.ts";
import { testPlatform } from "../support/test_platform.ts";

const NOBODY = 65_534;
const HOSTS = { inet: "127.0.0.1", inet6: "::1" } as const;

/** As another process gets it: duplicates of all descriptors. */
function received(platform: Platform): RemoteNetns {
  const own = RemoteNetns.own(platform.sockets, platform.sockDiag);
  const fds = own.descriptors.map((fd) => platform.descriptors.duplicate(fd));
  own.close();
  return RemoteNetns.taken(platform.sockets, own.name, fds)!;
}

describe("FarNetwork", () => {
  for (const family of ["inet", "inet6"] as const) {
    test(`makes sockets of ${family} that can do all that new ones can`, {
      timeout: TEST_TIMEOUT_MS,
    }, async (context) => {
      await using platform = await testPlatform();
      const reason = family === "inet6" && noIpv6(platform);
      if (reason) return context.skip(reason);
      const { sockets, descriptors } = platform;
      const before = openDescriptors();
      const network = received(platform);
      const host = HOSTS[family];
      for (let i = 0; i < 20; i++) {
        const socket = network.stream(family);
        assert.equal(
          descriptors.statusFlags(socket) & C.O_NONBLOCK,
          0,
          "it blocks, as new ones do",
        );
        sockets.bindInet(socket, { family, host, port: 0, scope: 0 });
        sockets.listen(socket, 4);
        using client = connectInet(platform, sockets.localAddress(socket)!);
        const accepted = sockets.accept(socket);
        assert.equal(sockets.peerAddress(accepted!)?.port, sockets.localAddress(client)?.port);
        accepted?.close();
        socket.close();
      }
      network.close();
      assert.deepEqual(leakedSince(before), []);
    });
  }

  test("passes strangers by who have found its port", { timeout: TEST_TIMEOUT_MS }, async () => {
    await using platform = await testPlatform();
    const network = received(platform);
    const { listener } = network.seeds.find(({ family }) => family === "inet")!;
    using stranger = connectInet(platform, platform.sockets.localAddress(listener)!);
    using socket = network.stream("inet");
    platform.sockets.bindInet(socket, { family: "inet", host: "127.0.0.1", port: 0, scope: 0 });
    assert.ok(stranger.isOpen);
    network.close();
  });

  test("says what it cannot make", { timeout: TEST_TIMEOUT_MS }, async () => {
    await using platform = await testPlatform();
    const own = RemoteNetns.own(platform.sockets, platform.sockDiag);
    const bare = RemoteNetns.taken(platform.sockets, "net:[1]", own.descriptors.slice(0, 1))!;
    const subject = "a socket in the old baton's network namespace (inet)";
    const failure = systemCallError({ call: "make", code: "EADDRNOTAVAIL", subject });
    assert.throws(() => bare.stream("inet"), failure);
    assert.equal(RemoteNetns.taken(platform.sockets, "net:[1]", []), null);
    own.close();
  });

  test("its table of sockets is asked too", { timeout: TEST_TIMEOUT_MS }, async () => {
    await using platform = await testPlatform();
    const { listener, address } = listenAt(platform, "127.0.0.1");
    const once = platform.sockDiag.tcpByLocalPort(address.port).length;
    const network = received(platform);
    platform.sockDiag.remote = network.diag;
    // It is the same namespace here: everything is there twice.
    assert.equal(platform.sockDiag.tcpByLocalPort(address.port).length, 2 * once);
    network.close();
    listener.close();
  });
});

describe("giveToUserOf()", () => {
  const noRoot = process.geteuid?.() !== 0 && "needs root, to give something away";
  test("lets a socket of root join the group of another user", {
    timeout: TEST_TIMEOUT_MS,
    skip: noRoot,
  }, async () => {
    await using platform = await testPlatform();
    const { sockets } = platform;
    process.seteuid!(NOBODY);
    let theirs: ReturnType<typeof listenAt>;
    try {
      theirs = listenAt(platform, "127.0.0.1", { reuseport: true });
    } finally {
      process.seteuid!(0);
    }
    using listener = theirs.listener;
    const shared = (): Fd => {
      const socket = sockets.stream("inet");
      sockets.setOption(socket, C.SOL_SOCKET, C.SO_REUSEPORT, 1);
      return socket;
    };
    using roots = shared();
    assert.throws(() => sockets.bindInet(roots, theirs.address), /EADDRINUSE/);
    using given = shared();
    giveToUserOf(given, listener);
    assert.equal(statSync(`/proc/self/fd/${given.number}`).uid, NOBODY);
    sockets.bindInet(given, theirs.address);
    sockets.listen(given, 4);
  });
});
