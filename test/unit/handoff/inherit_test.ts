/** Members that baton binds itself: made anew, taken over by an heir, refused beside a stranger. */
import assert from "node:assert/strict";
import process from "node:process";
import { describe, test } from "node:test";
import { type InetListenSpec, parseListenSpec } from "../../../src/config/values/listen_spec.ts";
import { Inheritor, ListenError } from "../../../src/handoff/inherit.ts";
import type { Platform } from "../../../src/platform/platform.ts";
import { C } from "../../../src/platform/libc/constants.ts";
import { Listeners } from "../../../src/steering/listeners.ts";
import { noIpv6 } from "../../support/features.ts";
import { freePort } from "../../support/free_port.ts";
import { TEST_TIMEOUT_MS } from "../../support/limits.ts";
import { leakedSince, openDescriptors } from "../../support/open_descriptors.ts";
import { connectInet, listenAt } from "../../support/raw_client.ts";
import { testPlatform } from "../../support/test_platform.ts";

const BACKLOG = 9;
const skipIpv6 = noIpv6(await testPlatform());
type TestPlatform = Awaited<ReturnType<typeof testPlatform>>;

function inetSpec(text: string, index: number): InetListenSpec {
  const spec = parseListenSpec(text, index);
  assert.ok(spec.family !== "unix");
  return spec;
}

/** Runs `use` with an inheritor for `specs`; everything is closed at the end. */
function withInheritor(
  platform: Platform,
  specs: readonly InetListenSpec[],
  use: (inheritor: Inheritor, listeners: Listeners) => void,
): void {
  const before = openDescriptors();
  const listeners = new Listeners(platform.sockets);
  try {
    use(new Inheritor(platform, listeners, specs, BACKLOG), listeners);
  } finally {
    listeners.close();
  }
  assert.deepEqual(leakedSince(before).filter((line) => line.includes("socket:")), []);
}

/** Connects to `spec`, and says which of the members has the connection in its queue. */
function whoGets(platform: TestPlatform, spec: InetListenSpec, fds: readonly { number: number }[]) {
  const { family, host, port } = spec;
  using client = connectInet(platform, { family, host, port, scope: 0 });
  const flags = C.SOCK_CLOEXEC | C.SOCK_NONBLOCK;
  const { c } = platform.libc;
  assert.ok(client.isOpen);
  return fds.map(({ number }) => {
    const flag = platform.libc.c.fcntl(number, C.F_GETFL, 0);
    c.fcntl(number, C.F_SETFL, flag | C.O_NONBLOCK);
    const accepted = c.accept4(number, null, null, flags);
    if (accepted >= 0) c.close(accepted);
    return accepted >= 0;
  });
}

describe("Inheritor.membersFor()", () => {
  for (const address of ["127.0.0.1", "[::1]"]) {
    test(`makes listening members at ${address}, in the order of the flags`, {
      skip: address === "[::1]" && skipIpv6,
      timeout: TEST_TIMEOUT_MS,
    }, async () => {
      await using platform = await testPlatform();
      const ports = [await freePort(), await freePort()];
      const specs = ports.map((port, i) => inetSpec(`${address}:${port}`, i));
      withInheritor(platform, specs, (inheritor) => {
        const members = inheritor.membersFor({ epoch: 0, worker: 0 }, null);
        const { sockets, sockDiag } = platform;
        members.forEach(({ heldUntilRetired: fd, epoch, owner, inode }, i) => {
          const { host, port } = specs[i]!;
          assert.deepEqual([epoch, owner], [0, 0]);
          assert.equal(sockets.localAddress(fd)?.port, port);
          assert.equal(sockets.localAddress(fd)?.host, host);
          const [row] = sockDiag.tcpByLocalPort(port, [C.TCP_LISTEN]);
          assert.deepEqual([row?.inode, row?.sendQueue], [inode, BACKLOG]);
        });
      });
    });
  }

  test("lets a second generation's get nothing until it is switched to", {
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    await using platform = await testPlatform();
    const spec = inetSpec(`127.0.0.1:${await freePort()}`, 0);
    withInheritor(platform, [spec], (inheritor, listeners) => {
      const [old] = inheritor.membersFor({ epoch: 0, worker: 0 }, null);
      const [next] = inheritor.membersFor({ epoch: 1, worker: 0 }, null);
      const fds = [old!.heldUntilRetired, next!.heldUntilRetired];
      for (let i = 0; i < 5; i++) assert.deepEqual(whoGets(platform, spec, fds), [true, false]);
      listeners.switchTo(1);
      // A socket that nobody is known to accept from is steered to all the same.
      for (let i = 0; i < 5; i++) assert.deepEqual(whoGets(platform, spec, fds), [false, true]);
    });
  });

  test("gives an heir the member of the crashed one, with what waits in its queue", {
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    await using platform = await testPlatform();
    const spec = inetSpec(`127.0.0.1:${await freePort()}`, 0);
    withInheritor(platform, [spec], (inheritor, listeners) => {
      const [crashed] = inheritor.membersFor({ epoch: 0, worker: 0 }, null);
      using client = connectInet(platform, {
        family: "inet",
        host: spec.host,
        port: spec.port,
        scope: 0,
      });
      const [taken] = inheritor.membersFor({ epoch: 1, worker: 0 }, 0);
      assert.equal(taken, crashed);
      assert.equal(taken?.epoch, 1);
      listeners.retire(0);
      using accepted = platform.sockets.accept(taken!.heldUntilRetired);
      assert.ok(accepted !== null && client.isOpen, "the connection was not lost");
    });
  });
});

describe("Inheritor.membersFor() fails", () => {
  test("beside a program that listens there, names it, and leaves nothing", {
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    await using platform = await testPlatform();
    const free = inetSpec(`127.0.0.1:${await freePort()}`, 0);
    for (const reuseport of [false, true]) {
      const { listener, address } = listenAt(platform, "127.0.0.1", { reuseport });
      const taken = inetSpec(`127.0.0.1:${address.port}`, 1);
      withInheritor(platform, [free, taken], (inheritor, listeners) => {
        assert.throws(
          () => inheritor.membersFor({ epoch: 0, worker: 0 }, null),
          (error: unknown) => {
            assert.ok(error instanceof ListenError, String(error));
            const start = `Cannot listen at ${taken.text}: it is held by `;
            assert.ok(error.message.startsWith(start), error.message);
            assert.match(error.message, new RegExp(`\\(pid ${process.pid}\\)`));
            return true;
          },
        );
        assert.equal(listeners.groupsOf(0).length, 0);
        assert.deepEqual(platform.sockDiag.tcpByLocalPort(free.port), []);
      });
      listener.close();
    }
  });

  test("beside a program that has joined the group since, until that has gone", {
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    await using platform = await testPlatform();
    const spec = inetSpec(`127.0.0.1:${await freePort()}`, 0);
    withInheritor(platform, [spec], (inheritor, listeners) => {
      const [old] = inheritor.membersFor({ epoch: 0, worker: 0 }, null);
      const { listener } = listenAt(platform, "127.0.0.1", { port: spec.port, reuseport: true });
      assert.throws(() => inheritor.membersFor({ epoch: 1, worker: 0 }, null), (error: unknown) => {
        assert.ok(error instanceof ListenError, String(error));
        assert.match(
          error.message,
          new RegExp(`${spec.text}: it is held by .*\\(pid ${process.pid}\\)`),
        );
        return true;
      });
      assert.deepEqual(listeners.groupsOf(0)[0]?.members, [old]);
      listener.close();
      const [next] = inheritor.membersFor({ epoch: 1, worker: 0 }, null);
      listeners.switchTo(1);
      const fds = [old!.heldUntilRetired, next!.heldUntilRetired];
      assert.deepEqual(whoGets(platform, spec, fds), [false, true]);
    });
  });

  test("at an address that this machine does not have", { timeout: TEST_TIMEOUT_MS }, async () => {
    await using platform = await testPlatform();
    // TEST-NET-1, RFC 5737.
    const spec = inetSpec(`192.0.2.1:${await freePort()}`, 0);
    withInheritor(platform, [spec], (inheritor) => {
      assert.throws(
        () => inheritor.membersFor({ epoch: 0, worker: 0 }, null),
        /Cannot listen at 192\.0\.2\.1:\d+: /,
      );
    });
  });

  test("and keeps what it took over from the crashed one for the next heir", {
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    await using platform = await testPlatform();
    const first = inetSpec(`127.0.0.1:${await freePort()}`, 0);
    const second = inetSpec(`127.0.0.1:${await freePort()}`, 1);
    withInheritor(platform, [first, second], (inheritor, listeners) => {
      // The crashed one had the first only; a stranger has come to the second since.
      const [left] = new Inheritor(platform, listeners, [first], BACKLOG).membersFor({
        epoch: 0,
        worker: 0,
      }, null);
      const { listener } = listenAt(platform, "127.0.0.1", { port: second.port });
      assert.throws(() => inheritor.membersFor({ epoch: 1, worker: 0 }, 0), ListenError);
      listener.close();
      assert.ok(left!.heldUntilRetired.isOpen);
      assert.deepEqual([left!.epoch, left!.dead], [0, false]);
      assert.equal(inheritor.membersFor({ epoch: 2, worker: 0 }, 0)[0], left);
    });
  });
});
