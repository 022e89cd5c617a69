/** Which workers of a generation get its connections while some of them come and go: asked of the model, and of the kernel. */
import assert from "node:assert/strict";
import process from "node:process";
import { describe, test } from "node:test";
import { C } from "../../../src/platform/libc/constants.ts";
import { boundSocket } from "../../../src/steering/bound_socket.ts";
import { Listeners } from "../../../src/steering/listeners.ts";
import type { GroupAddress } from "../../../src/steering/member.ts";
import {
  admitWorker,
  retireWorker,
  setWorkerAside,
} from "../../../src/steering/worker_steering.ts";
import { freePort } from "../../support/free_port.ts";
import { TEST_TIMEOUT_MS } from "../../support/limits.ts";
import { connectInet } from "../../support/raw_client.ts";
import { testPlatform } from "../../support/test_platform.ts";

const BACKLOG = 256;
/** That one of three sockets gets none of them is as good as impossible: (2/3)^100. */
const CONNECTIONS = 100;

/** The number of a generation and of a worker, "0.1", in each event. */
const STORIES: readonly { what: string; events: string; receivers: string }[] = [
  { what: "all of one that serves", events: "listens 0.0, listens 0.1", receivers: "0.0 0.1" },
  {
    what: "none of a candidate",
    events: "listens 0.0, listens 0.1, listens 1.0, listens 1.1",
    receivers: "0.0 0.1",
  },
  {
    what: "all of the candidate when it is switched to",
    events: "listens 0.0, listens 0.1, listens 1.0, listens 1.1, switch 1",
    receivers: "1.0 1.1",
  },
  {
    what: "one that starts beside others gets nothing",
    events: "listens 0.0, rises 0.1",
    receivers: "0.0",
  },
  {
    what: "before its gate",
    events: "listens 0.0, rises 0.1, admit 0.1",
    receivers: "0.0 0.1",
  },
  {
    what: "its generation is steered to once more meanwhile",
    events: "listens 0.0, rises 0.1, switch 0",
    receivers: "0.0",
  },
  { what: "it is the only one here, and gets all", events: "rises 0.1", receivers: "0.1" },
  {
    what: "one that drains gets nothing more",
    events: "listens 0.0, listens 0.1, listens 0.2, aside 0.1",
    receivers: "0.0 0.2",
  },
  {
    what: "the last one goes on",
    events: "listens 0.0, listens 0.1, aside 0.1, aside 0.0",
    receivers: "0.0",
  },
  {
    what: "one that dies leaves its part to the others",
    events: "listens 0.0, listens 0.1, dies 0.0",
    receivers: "0.1",
  },
  {
    what: "its replacement gets the queue, and nothing new before its gate",
    events: "listens 0.0, listens 0.1, dies 0.0, takes 0.0",
    receivers: "0.1",
  },
  {
    what: "and then its part",
    events: "listens 0.0, listens 0.1, dies 0.0, takes 0.0, admit 0.0",
    receivers: "0.0 0.1",
  },
  {
    what: "all have died: clients wait in the queues",
    events: "listens 0.0, listens 0.1, dies 0.0, dies 0.1",
    receivers: "0.1",
  },
  {
    what: "the first one that comes back relieves the queue",
    events: "listens 0.0, listens 0.1, dies 0.0, dies 0.1, takes 0.0, admit 0.0",
    receivers: "0.0",
  },
  {
    what: "one that is not wanted any more is gone",
    events: "listens 0.0, listens 0.1, listens 0.2, aside 0.2, retire 0.2",
    receivers: "0.0 0.1",
  },
  {
    what: "one that stood between others, too",
    events: "listens 0.0, listens 0.1, listens 0.2, aside 0.1, retire 0.1",
    receivers: "0.0 0.2",
  },
  {
    what: "what becomes of a worker that drains is nothing to the next generation",
    events: "listens 0.0, listens 0.1, listens 1.0, aside 0.1, switch 1, admit 0.1, retire 0.1",
    receivers: "1.0",
  },
  {
    what: "one that had the address for itself closes it",
    events: "listens 0.0, dies 0.0, retire 0.0",
    receivers: "",
  },
];

class World {
  readonly listeners: Listeners;

  constructor(
    readonly platform: Awaited<ReturnType<typeof testPlatform>>,
    readonly address: GroupAddress,
  ) {
    this.listeners = new Listeners(platform.sockets);
    this.listeners.switchTo(0);
  }

  tell(event: string): void {
    const [kind, name = ""] = event.split(" ");
    const [epoch = 0, number = 0] = name.split(".").map(Number);
    const worker = { epoch, number };
    const own = { epoch, worker: number, owner: process.pid };
    const group = () => this.listeners.obtain(this.address);
    switch (kind) {
      case "listens":
      case "rises": {
        const options = { ...own, aside: kind === "rises", late: false, backlog: BACKLOG };
        return void group().takeMember(boundSocket(group()), options);
      }
      case "takes":
        return group().reassign(group().membersOf(epoch, number)[0]!, { ...own, aside: true });
      case "switch":
        return this.listeners.switchTo(epoch);
      case "admit":
        return admitWorker(this.listeners, worker);
      case "retire":
        return retireWorker(this.listeners, worker);
      default:
        return setWorkerAside(this.listeners, worker, kind === "dies");
    }
  }

  get receivers(): string {
    const { members = [], isReceiving } = this.listeners.find(this.address) ?? {};
    return members.filter((member) => isReceiving?.(member)).map(nameOf).sort().join(" ");
  }

  /** The workers with a connection in their queues. */
  get chosen(): string {
    return this.platform.sockDiag.tcpByLocalPort(this.address.port, [C.TCP_LISTEN])
      .filter(({ receiveQueue }) => receiveQueue > 0)
      .map(({ inode }) => nameOf(this.listeners.findMember(inode)!.member)).sort().join(" ");
  }
}

function nameOf({ epoch, worker }: { readonly epoch: number; readonly worker: number }): string {
  return `${epoch}.${worker}`;
}

describe("who gets the connections", () => {
  for (const { what, events, receivers } of STORIES) {
    test(`${what} (${events})`, { timeout: TEST_TIMEOUT_MS }, async () => {
      await using platform = await testPlatform();
      const loopback = { family: "inet", host: "127.0.0.1", port: await freePort() } as const;
      const world = new World(platform, {
        ...loopback,
        scope: 0,
        v6only: false,
        boundInterface: 0,
      });
      try {
        events.split(", ").forEach((event) => world.tell(event));
        assert.equal(world.receivers, receivers);
        if (receivers === "") return;
        const clients = Array.from(
          { length: CONNECTIONS },
          () => connectInet(platform, world.address),
        );
        assert.equal(world.chosen, receivers, "in the kernel");
        clients.forEach((client) => client.close());
      } finally {
        world.listeners.close();
      }
    });
  }
});
