/** Groups of UDP sockets: who gets the datagrams of an address, asked of the model and of the kernel. */
import assert from "node:assert/strict";
import process from "node:process";
import { describe, test } from "node:test";
import { isShutDown, udpSocket } from "../../../src/platform/network/udp_socket.ts";
import { udpSockets } from "../../../src/platform/network/udp_table.ts";
import { boundSocket } from "../../../src/steering/bound_socket.ts";
import { holdConnections } from "../../../src/steering/held_queues.ts";
import { Listeners } from "../../../src/steering/listeners.ts";
import type { GroupAddress, Member } from "../../../src/steering/member.ts";
import { switchedDatagrams } from "../../../src/steering/switched_datagrams.ts";
import { noIpv6 } from "../../support/features.ts";
import { freePort } from "../../support/free_port.ts";
import { TEST_TIMEOUT_MS } from "../../support/limits.ts";
import { testPlatform } from "../../support/test_platform.ts";

type TestPlatform = Awaited<ReturnType<typeof testPlatform>>;

/** That one of two sockets gets none of them is as good as impossible. */
const CLIENTS = 40;
const HOSTS = ["127.0.0.1", "::1", "::"] as const;
const skipIpv6 = noIpv6(await testPlatform());

class World implements Disposable {
  readonly listeners: Listeners;
  readonly address: GroupAddress;

  constructor(readonly platform: TestPlatform, host: string, port: number) {
    this.listeners = new Listeners(platform.sockets);
    // It would have a server taken for one that has closed its listeners.
    this.listeners.onWaiting = () =>
      assert.fail("a UDP socket that leaves tells of no client that waits");
    const family = host.includes(":") ? "inet6" : "inet";
    const rest = { scope: 0, boundInterface: 0, v6only: host === "::1" };
    this.address = { protocol: "udp", family, host, port, ...rest };
  }

  tell(event: string): void {
    const [kind, epoch] = [event.split(" ")[0], Number(event.split(" ")[1])];
    if (kind === "binds") this.bind(epoch);
    else if (kind === "waits") this.bind(epoch, true);
    else if (kind === "connects") this.connect(epoch);
    else if (kind === "look") this.listeners.findShutDown();
    else if (kind === "admit") this.listeners.find(this.address)?.admitLate();
    else if (kind === "switch") this.listeners.switchTo(epoch);
    else if (kind === "hold") holdConnections(this.listeners, epoch, 1);
    else if (kind === "share") this.listeners.share(epoch, 50);
    else this.listeners.retire(epoch);
  }

  /** Its first one to a peer. */
  connect(epoch: number): void {
    const [first] = this.listeners.obtain(this.address).membersOf(epoch);
    const { family } = this.address;
    const host = family === "inet" ? "127.0.0.1" : "::1";
    const peer = { family, host, port: 9, scope: 0 };
    this.platform.sockets.connectInet(first!.heldUntilRetired, peer);
  }

  bind(epoch: number, waits = false): Member {
    const group = this.listeners.obtain(this.address);
    const own = { epoch, owner: process.pid, backlog: 0, late: false, waits };
    return group.takeMember(boundSocket(group), own);
  }

  get receivers(): number[] {
    const group = this.listeners.obtain(this.address);
    return group.members.filter(group.isReceiving).map(({ epoch }) => epoch);
  }

  /** One datagram from each of several ports. */
  send(): void {
    const { sockets, libc } = this.platform;
    const { family } = this.address;
    const host = family === "inet" ? "127.0.0.1" : "::1";
    for (let i = 0; i < CLIENTS; i++) {
      using client = udpSocket(sockets, family);
      sockets.connectInet(client, { ...this.address, host });
      assert.equal(libc.c.send(client.number, new Uint8Array(1), 1, 0), 1);
    }
  }

  /** The generation of each socket with a datagram in its queue, in the order of the members. */
  get chosen(): number[] {
    const unread = new Set(
      udpSockets().filter(({ receiveQueue }) => receiveQueue > 0).map(({ inode }) => inode),
    );
    const group = this.listeners.find(this.address);
    return (group?.members ?? []).filter(({ inode }) => unread.has(inode))
      .map(({ epoch }) => epoch);
  }

  [Symbol.dispose](): void {
    this.listeners.close();
  }
}

interface Story {
  readonly what: string;
  readonly events: readonly string[];
  readonly receivers: readonly number[];
}

const STORIES: readonly Story[] = [
  { what: "a candidate gets nothing", events: ["binds 0", "switch 0", "binds 1"], receivers: [0] },
  {
    what: "all after the switch",
    events: ["binds 0", "switch 0", "binds 1", "switch 1"],
    receivers: [1],
  },
  {
    what: "workers get their part each",
    events: ["binds 0", "binds 0", "switch 0", "binds 1", "binds 1", "switch 1", "retire 0"],
    receivers: [1, 1],
  },
  {
    what: "a candidate goes: nothing changes",
    events: ["binds 0", "switch 0", "binds 1", "binds 2", "retire 1"],
    receivers: [0],
  },
  {
    what: "those of generations that have gone are not missed",
    events: [
      "binds 0",
      "switch 0",
      "binds 1",
      "switch 1",
      "retire 0",
      "binds 2",
      "switch 2",
      "retire 1",
      "binds 3",
    ],
    receivers: [2],
  },
  {
    what: "the only receiver goes: the newest",
    events: ["binds 0", "switch 0", "binds 1", "retire 0"],
    receivers: [1],
  },
  {
    what: "a second socket of a process waits",
    events: ["binds 0", "switch 0", "waits 0"],
    receivers: [0],
  },
  {
    what: "and gets its part where it is not for one client",
    events: ["binds 0", "switch 0", "waits 0", "admit"],
    receivers: [0, 0],
  },
  {
    what: "one is connected: the other gets what others send",
    events: ["binds 0", "switch 0", "waits 0", "connects 0", "look"],
    receivers: [0],
  },
  {
    what: "and the places of a candidate are known",
    events: ["binds 0", "switch 0", "waits 0", "binds 1", "connects 0", "switch 1"],
    receivers: [1],
  },
  {
    what: "all are connected, and their generation goes",
    events: ["binds 0", "switch 0", "binds 1", "switch 1", "connects 0", "retire 0"],
    receivers: [1],
  },
  {
    what: "a receiver is connected, and another generation binds",
    events: ["binds 0", "binds 0", "switch 0", "connects 0", "binds 1"],
    receivers: [0],
  },
  {
    what: "a server that must not run twice answers until it ends",
    events: ["binds 0", "switch 0", "hold 0"],
    receivers: [0],
  },
];

describe("who gets the datagrams of an address", () => {
  for (const host of HOSTS) {
    const skip = host === "127.0.0.1" ? false : skipIpv6;
    for (const { what, events, receivers } of STORIES) {
      test(
        `${host}: ${what} (${events.join(", ")})`,
        { skip, timeout: TEST_TIMEOUT_MS },
        async () => {
          await using platform = await testPlatform();
          using world = new World(platform, host, await freePort());
          events.forEach((event) => world.tell(event));
          assert.deepEqual(world.receivers, receivers);
          world.send();
          assert.deepEqual(world.chosen, receivers, "in the kernel");
        },
      );
    }
  }

  test("a generation on trial gets its share", { timeout: TEST_TIMEOUT_MS }, async () => {
    await using platform = await testPlatform();
    using world = new World(platform, "127.0.0.1", await freePort());
    ["binds 0", "switch 0", "binds 1", "share 1"].forEach((event) => world.tell(event));
    world.send();
    assert.deepEqual(world.chosen, [0, 1]);
  });

  test("TCP at the same port is another group", { timeout: TEST_TIMEOUT_MS }, async () => {
    await using platform = await testPlatform();
    using world = new World(platform, "127.0.0.1", await freePort());
    world.bind(0);
    const { protocol: _, ...tcp } = world.address;
    assert.equal(world.listeners.find(tcp), null);
    assert.equal(world.listeners.overlapping(tcp, []), null);
    assert.equal(
      world.listeners.overlapping({ ...world.address, host: "0.0.0.0" }, [])?.text,
      `udp:127.0.0.1:${world.address.port}`,
    );
    assert.deepEqual(world.listeners.ports, []);
  });

  test("a drain waits for what is unread once others get the new ones", async () => {
    await using platform = await testPlatform();
    using world = new World(platform, "127.0.0.1", await freePort());
    const { inode } = world.bind(0);
    world.listeners.switchTo(0);
    world.bind(1);
    assert.deepEqual(switchedDatagrams(world.listeners, 0), []);
    world.listeners.switchTo(1);
    assert.deepEqual(switchedDatagrams(world.listeners, 0), [inode]);
  });
});

describe("a member that another process has open", () => {
  for (const host of HOSTS) {
    const skip = host === "127.0.0.1" ? false : skipIpv6;
    test(`${host}: leaves its group all the same`, { skip, timeout: TEST_TIMEOUT_MS }, async () => {
      await using platform = await testPlatform();
      using world = new World(platform, host, await freePort());
      const first = world.bind(0);
      world.listeners.switchTo(0);
      world.bind(1);
      // A helper that has inherited it.
      using inherited = platform.descriptors.duplicate(first.heldUntilRetired);
      world.listeners.switchTo(1);
      world.listeners.retire(0);
      world.send();
      assert.deepEqual(world.chosen, [1]);
      assert.equal(platform.sockets.unreadBytes(inherited), 0);
    });
  }
});

test("isShutDown() sees the shutdown(2) of another process", async () => {
  await using platform = await testPlatform();
  using world = new World(platform, "127.0.0.1", await freePort());
  const { heldUntilRetired } = world.bind(0);
  assert.equal(isShutDown(platform.sockets, heldUntilRetired), false);
  world.send();
  assert.equal(isShutDown(platform.sockets, heldUntilRetired), false, "with datagrams to read");
  platform.sockets.stopListening(heldUntilRetired);
  assert.equal(isShutDown(platform.sockets, heldUntilRetired), true);
});
