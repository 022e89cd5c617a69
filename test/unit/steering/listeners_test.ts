/**
 * Who gets the connections of an address that generations open, and leave, in any order: asked of the model, and of
 * the kernel, with connections.
 */
import assert from "node:assert/strict";
import process from "node:process";
import { describe, test } from "node:test";
import { C } from "../../../src/platform/libc/constants.ts";
import { boundSocket } from "../../../src/steering/bound_socket.ts";
import { holdConnections, releaseConnections, vacate } from "../../../src/steering/held_queues.ts";
import { Listeners } from "../../../src/steering/listeners.ts";
import type { GroupAddress } from "../../../src/steering/member.ts";
import { SocketTags } from "../../../src/platform/network/socket_tag.ts";
import { freePort } from "../../support/free_port.ts";
import { TEST_TIMEOUT_MS } from "../../support/limits.ts";
import { connectInet } from "../../support/raw_client.ts";
import { testPlatform } from "../../support/test_platform.ts";

type TestPlatform = Awaited<ReturnType<typeof testPlatform>>;

const BACKLOG = 64;
/** That one of two sockets gets none of them is as good as impossible: 2 of 2^40 runs. */
const CONNECTIONS = 40;

/** `listens 1`, `switch 1`, `retire 1`, `park`, in this order; then who gets the connections, and by how many sockets. */
interface Story {
  readonly what: string;
  readonly events: readonly string[];
  readonly receivers: readonly number[];
}

const STORIES: readonly Story[] = [
  {
    what: "a candidate gets nothing",
    events: ["listens 0", "switch 0", "listens 1"],
    receivers: [0],
  },
  {
    what: "a further worker of the serving generation gets its part",
    events: ["listens 0", "switch 0", "listens 1", "listens 0"],
    receivers: [0, 0],
  },
  {
    what: "the first one at an address gets all, whoever it is",
    events: ["switch 0", "listens 1"],
    receivers: [1],
  },
  {
    what: "a listener that the serving generation opens after the switch, as the one before did",
    events: ["switch 0", "listens 0", "switch 1", "listens 1"],
    receivers: [1],
  },
  {
    what: "the same with two workers each",
    events: ["switch 0", "listens 0", "listens 0", "switch 1", "listens 1", "listens 1"],
    receivers: [1, 1],
  },
  {
    what: "one that drains opens it after the serving generation",
    events: ["switch 0", "switch 1", "listens 1", "listens 0"],
    receivers: [1],
  },
  {
    what: "one that drains opens it just before the serving generation",
    events: ["switch 0", "switch 1", "listens 0", "listens 1", "retire 0"],
    receivers: [1],
  },
  {
    what: "a candidate had it alone, and the serving generation opens it too",
    events: ["switch 0", "listens 1", "listens 0"],
    receivers: [0],
  },
  {
    what: "the only receiver goes, and a candidate is there",
    events: ["switch 0", "listens 1", "listens 2", "retire 1"],
    receivers: [2],
  },
  {
    what: "the only receiver goes, and several are there: the newest",
    events: ["switch 0", "listens 1", "listens 2", "listens 3", "listens 3", "retire 1"],
    receivers: [3, 3],
  },
  {
    what: "the only receiver goes, and one that drains for longer is there",
    events: ["switch 2", "listens 1", "listens 0", "retire 1"],
    receivers: [0],
  },
  {
    what: "a candidate goes: nothing changes",
    events: ["listens 0", "switch 0", "listens 1", "listens 2", "retire 1"],
    receivers: [0],
  },
  {
    what: "the service ends: who has drained for longer gets nothing again",
    events: ["listens 0", "switch 0", "listens 1", "switch 1", "park", "retire 1"],
    receivers: [1],
  },
];

/** What the serving generation opens late. */
const LATE: readonly Story[] = [
  {
    what: "the one before it has it alone, and goes on",
    events: ["listens 0", "switch 0", "switch 1", "succeed 1 0"],
    receivers: [0],
  },
  {
    what: "the one before it has gone: what comes waits for the serving one",
    events: ["listens 0", "switch 0", "switch 1", "succeed 1 0", "retire 0"],
    receivers: [1],
  },
  {
    what: "and for the next one",
    events: [
      "listens 0",
      "switch 0",
      "switch 1",
      "succeed 1 0",
      "retire 0",
      "switch 2",
      "succeed 2 1",
    ],
    receivers: [2],
  },
  {
    what: "it listens: the one before it gets nothing, and may go",
    events: ["listens 0", "switch 0", "switch 1", "succeed 1 0", "listens 1", "retire 0"],
    receivers: [1],
  },
  {
    what: "the next one listens, and the first is not in its way",
    events: [
      ...["listens 0", "switch 0", "switch 1", "succeed 1 0"],
      ...["switch 2", "succeed 2 1", "listens 2", "retire 1", "retire 0"],
    ],
    receivers: [2],
  },
];

const LENT = ["listens 0", "switch 0", "deaf 0", "borrows 1"];
const DEAF: readonly Story[] = [
  {
    what: "the queue of a deaf generation goes to the next one at its listen",
    events: LENT,
    receivers: [1],
  },
  {
    what: "and back if that fails",
    events: [...LENT, "retire 1"],
    receivers: [0],
  },
  {
    what: "to be lent again",
    events: [...LENT, "retire 1", "borrows 2", "switch 2", "retire 0"],
    receivers: [2],
  },
  {
    what: "it stays with one that serves and fails later",
    events: [...LENT, "switch 1", "retire 0", "retire 2"],
    receivers: [1],
  },
  {
    what: "a deaf one that is rolled back gets nothing",
    events: ["listens 0", "switch 0", "listens 1", "switch 1", "deaf 1", "switch 0", "retire 1"],
    receivers: [0],
  },
];

/** A server that must not run twice; -2 is the queue of baton's own. */
const STOP_FIRST: readonly Story[] = [
  {
    what: "new connections wait, whoever accepts from the old sockets",
    events: ["listens 0", "listens 0", "switch 0", "hold 0"],
    receivers: [-2],
  },
  {
    what: "a worker that the old generation starts meanwhile gets nothing",
    events: ["listens 0", "switch 0", "hold 0", "listens 0"],
    receivers: [-2],
  },
  {
    what: "holding twice changes nothing",
    events: ["listens 0", "switch 0", "hold 0", "hold 0"],
    receivers: [-2],
  },
  {
    what: "the old one has exited: they wait for its replacement",
    events: ["listens 0", "switch 0", "hold 0", "vacate 0"],
    receivers: [0],
  },
  {
    what: "which gets them with the queue, and keeps it",
    events: [
      "listens 0",
      "listens 0",
      "switch 0",
      "hold 0",
      "vacate 0",
      "takes 1 0",
      "switch 1",
      "retire 0",
    ],
    receivers: [1],
  },
  {
    what: "before those in the queue of the old one's own socket",
    events: ["listens 0", "switch 0", "hold 0", "vacate 0 1", "takes 1 0", "switch 1"],
    receivers: [1],
  },
  {
    what: "the same again",
    events: [
      "listens 0",
      "switch 0",
      "hold 0",
      "vacate 0",
      "takes 1 0",
      "switch 1",
      "retire 0",
      "hold 1",
      "vacate 1",
      "takes 2 1",
      "switch 2",
    ],
    receivers: [2],
  },
  {
    what: "the replacement fails: they wait for the next one",
    events: [
      "listens 0",
      "switch 0",
      "hold 0",
      "vacate 0",
      "takes 1 0",
      "return 1 0",
      "takes 2 0",
      "switch 2",
    ],
    receivers: [2],
  },
  {
    what: "the old one serves on",
    events: ["listens 0", "listens 0", "switch 0", "hold 0", "release 0"],
    receivers: [0, 0],
  },
];

class World {
  readonly listeners: Listeners;

  constructor(readonly platform: TestPlatform, readonly address: GroupAddress) {
    this.listeners = new Listeners(platform.sockets);
  }

  tell(event: string): void {
    const [kind = "", text = "", before] = event.split(" ");
    const epoch = Number(text);
    switch (kind) {
      case "listens":
        return this.#listen(epoch);
      case "switch":
        return this.listeners.switchTo(epoch);
      case "succeed":
        return this.listeners.succeed(epoch, Number(before));
      case "retire":
        return this.listeners.retire(epoch);
      case "deaf":
        return this.#closeListener(epoch);
      case "hold":
        return holdConnections(this.listeners, epoch, BACKLOG);
      case "vacate":
        return vacate(this.listeners, epoch, () => Number(before ?? 0));
      case "release":
        return releaseConnections(this.listeners, epoch);
      case "takes":
        return this.#take(epoch, Number(before));
      case "return":
        return this.listeners.returnMembers(epoch, Number(before));
      case "borrows":
        return this.#borrow(epoch);
      default:
        return this.listeners.standBy();
    }
  }

  #listen(epoch: number): void {
    const group = this.listeners.obtain(this.address);
    const socket = boundSocket(group);
    const own = { epoch, owner: process.pid, late: false };
    group.takeMember(socket, { ...own, backlog: BACKLOG });
  }

  #closeListener(epoch: number): void {
    this.listeners.deafEpoch = epoch;
    const group = this.listeners.obtain(this.address);
    for (const member of group.membersOf(epoch)) group.markUnheld(member);
  }

  /** At its listen(2), as the replacement of `before`. */
  #take(epoch: number, before: number): void {
    const group = this.listeners.obtain(this.address);
    const [member] = group.waitingFor(before);
    assert.ok(member !== undefined && group.isReceiving(member), "the queue that clients wait in");
    group.reassign(member, { epoch, worker: 0, owner: process.pid });
  }

  #borrow(epoch: number): void {
    const group = this.listeners.obtain(this.address);
    const member = this.listeners.lend(group, epoch);
    assert.ok(member !== undefined, "there is a queue to lend");
    group.reassign(member, { epoch, worker: 0, owner: process.pid });
  }

  /** Each socket has the tag that the model says, that of its generation if that accepts there; so have its connections. */
  assertTagged(): void {
    const { sockDiag, sockets } = this.platform;
    const { members, isReceiving } = this.listeners.obtain(this.address);
    const { tagging: { generations } } = this.listeners;
    for (const { epoch, tag, unheld, dead, heldUntilRetired } of members) {
      assert.equal(new SocketTags(sockets).of(heldUntilRetired), tag, `generation ${epoch}`);
      if (epoch >= 0 && !unheld && !dead) assert.equal(tag, generations.of(epoch));
    }
    const shown = sockDiag.tcpByLocalPort(this.address.port, [C.TCP_ESTABLISHED])
      .map(({ tag }) => tag);
    assert.deepEqual(new Set(shown), new Set(members.filter(isReceiving).map(({ tag }) => tag)));
  }

  get receivers(): number[] {
    const group = this.listeners.obtain(this.address);
    return group.members.filter(group.isReceiving).map(({ epoch }) => epoch);
  }

  /** The generation of each socket with a connection in its queue. */
  get chosen(): (number | undefined)[] {
    const { sockDiag } = this.platform;
    return sockDiag.tcpByLocalPort(this.address.port, [C.TCP_LISTEN])
      .filter(({ receiveQueue }) => receiveQueue > 0)
      .map(({ inode }) => this.listeners.findMember(inode)?.member.epoch);
  }
}

describe("who gets the connections of an address", () => {
  for (const { what, events, receivers } of [...STORIES, ...LATE, ...DEAF, ...STOP_FIRST]) {
    test(`${what} (${events.join(", ")})`, { timeout: TEST_TIMEOUT_MS }, async () => {
      await using platform = await testPlatform();
      const loopback = { family: "inet", host: "127.0.0.1", port: await freePort() } as const;
      const world = new World(platform, {
        ...{ ...loopback, scope: 0 },
        ...{ v6only: false, boundInterface: 0 },
      });
      try {
        events.forEach((event) => world.tell(event));
        assert.deepEqual(world.receivers, receivers);
        const clients = Array.from(
          { length: CONNECTIONS },
          () => connectInet(platform, world.address),
        );
        assert.deepEqual(world.chosen, receivers, "in the kernel");
        world.assertTagged();
        clients.forEach((client) => client.close());
      } finally {
        world.listeners.close();
      }
    });
  }
});

test("who waits in a held queue has the tag of the generation that it is held for", {
  timeout: TEST_TIMEOUT_MS,
}, async () => {
  await using platform = await testPlatform();
  const loopback = { family: "inet", host: "127.0.0.1", port: await freePort() } as const;
  const world = new World(platform, { ...loopback, scope: 0, v6only: false, boundInterface: 0 });
  const { listeners, address } = world;
  try {
    ["listens 0", "switch 0"].forEach((event) => world.tell(event));
    holdConnections(listeners, 0, BACKLOG, 1);
    using _client = connectInet(platform, address);
    ["vacate 0", "takes 1 0", "switch 1"].forEach((event) => world.tell(event));
    const { tagging: { generations } } = listeners;
    const shown = platform.sockDiag.tcpByLocalPort(address.port, [C.TCP_ESTABLISHED])
      .map(({ tag }) => tag);
    assert.deepEqual(shown, [generations.of(1)]);
    assert.equal(generations.isUncertain(generations.of(1)), false);
    world.assertTagged();
  } finally {
    listeners.close();
  }
});
