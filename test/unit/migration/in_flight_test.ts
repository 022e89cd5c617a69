/** For how long a connection is in flight, on a clock moved by hand: idle, offered, woken up, closed. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { InFlightMoves, type MoveCounts } from "../../../src/migration/in_flight.ts";
import type { PendingAccept, PendingAccepts } from "../../../src/migration/pending_accepts.ts";
import type { Fd } from "../../../src/platform/fd.ts";
import { C } from "../../../src/platform/libc/constants.ts";
import type { Platform } from "../../../src/platform/platform.ts";
import type { Group } from "../../../src/steering/group.ts";
import { FakeClock } from "../../support/fake_clock.ts";

const REQUEST = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const PARTIAL = "GET / HT";
/** No process has this number, so the old server has closed its descriptor. */
const GONE = 0x7fff_ffff;

const GROUP = {
  path: null,
  tcp: { family: "inet", host: "0.0.0.0", port: 80, scope: 0 },
  members: [{ heldUntilRetired: {} }],
  isReceiving: () => true,
} as unknown as Group;

interface Story {
  /** What the client sends, and when. */
  readonly sends?: readonly [text: string, atMs: number];
  readonly closesAtMs?: number;
  /** When the new server accepts what is offered. */
  readonly acceptsAfterMs?: number;
  /** Whether the server accepts them to be read in blocking mode. */
  readonly blocks?: boolean;
  readonly connections?: number;
  /** In the accept queue of the new server. */
  readonly waiting?: number;
  /** Bytes the old server has read, and sent, since the move began. */
  readonly oldRead?: number;
  readonly oldSent?: number;
}

class World {
  readonly clock = new FakeClock();
  readonly outcomes: string[] = [];
  readonly changes: boolean[] = [];
  wakeUps = 0;
  /** When connections were resumed. */
  readonly wakings: number[] = [];
  isOpen = true;
  readonly moves: InFlightMoves;

  constructor(readonly story: Story) {
    const { acceptsAfterMs = Infinity, blocks = false } = story;
    let offers = 0;
    const pendingAccepts = {
      add: ({ onTaking, onTaken }: PendingAccept) => {
        this.outcomes.push(`${this.clock.now()} offered`);
        const take = () => {
          onTaking?.(blocks);
          onTaken();
        };
        const timer = Number.isFinite(acceptsAfterMs)
          ? this.clock.after(acceptsAfterMs * ++offers, take)
          : null;
        return () => timer?.cancel();
      },
    } as unknown as PendingAccepts;
    this.moves = new InFlightMoves(
      this.#platform,
      pendingAccepts,
      () => this.changes.push(!this.moves.isEmpty),
      () => this.outcomes.push("empty"),
    );
    for (let inode = 1; inode <= (story.connections ?? 1); inode++) this.start(inode);
  }

  start(inode: number): void {
    const { oldRead = 0 } = this.story;
    this.moves.start({
      inode,
      socket: { close: () => this.isOpen = false } as unknown as Fd,
      oldDescriptor: { pid: GONE, descriptor: 3, target: `socket:[${inode}]` },
      group: GROUP,
      mayBlock: false,
      read: -oldRead,
      sent: 0,
      onOutcome: (outcome: keyof MoveCounts) =>
        this.outcomes.push(`${this.clock.now()} ${outcome}`),
    });
  }

  get #unread(): string {
    const [text, atMs] = this.story.sends ?? ["", Infinity];
    return this.clock.now() >= atMs ? text : "";
  }

  get #platform(): Platform {
    const { closesAtMs = Infinity, oldSent = 0 } = this.story;
    const isClosed = () => this.clock.now() >= closesAtMs;
    return {
      clock: this.clock,
      sockets: {
        unreadBytes: () => this.#unread.length,
        unacknowledgedBytes: () => 0,
        tcpState: () => isClosed() ? C.TCP_CLOSE_WAIT : C.TCP_ESTABLISHED,
        peek: () => new TextEncoder().encode(this.#unread),
        setOption: (_: Fd, _level: number, name: number) => {
          if (name === C.SO_RCVLOWAT) this.wakings.push(this.clock.now());
        },
        stream: () => ({ [Symbol.dispose]: () => {} }),
        connectInet: (_: Fd, { host }: NonNullable<Group["tcp"]>) => {
          assert.equal(host, "127.0.0.1");
          this.wakeUps++;
        },
      },
      sockDiag: {
        waitingIn: () => this.story.waiting ?? 0,
        trafficOf: () => ({
          bytesReceived: this.#unread.length + (isClosed() ? 1 : 0),
          bytesAcked: oldSent,
        }),
      },
    } as unknown as Platform;
  }
}

describe("InFlightMoves", () => {
  const cases: [string, Story, string][] = [
    ["offers a request at once", { sends: [REQUEST, 0], acceptsAfterMs: 3 }, "2 offered, 5 moved"],
    ["offers an idle connection with its next request", {
      sends: [REQUEST, 5_001],
      acceptsAfterMs: 3,
    }, "5002 offered, 5005 moved"],
    [
      "offers a partial request",
      { sends: [PARTIAL, 100], acceptsAfterMs: 3 },
      "100 offered, 103 moved",
    ],
    ["offers the last request of a client that closes", {
      sends: [REQUEST, 0],
      closesAtMs: 0,
      acceptsAfterMs: 3,
    }, "2 offered, 5 moved"],
    ["closes one that stays idle for 10 s", {}, "10004 closed"],
    ["closes it after a second when its answer had continued", { oldSent: 1 }, "1004 closed"],
    ["closes one that its client closes", { closesAtMs: 501 }, "502 closed"],
    [
      "drops one that is not accepted within 5 s",
      { sends: [REQUEST, 0] },
      "2 offered, 5004 dropped",
    ],
    [
      "drops a partial request after another one was read",
      { sends: [PARTIAL, 0], oldRead: 30 },
      "10004 dropped",
    ],
    ["drops the rest of a body", { sends: ["body", 0], oldRead: 30 }, "2 dropped"],
  ];
  for (const [name, story, expected] of cases) {
    test(name, async () => {
      const { clock, moves, outcomes, changes } = new World(story);
      let isEmpty = false;
      moves.whenEmpty().then(() => isEmpty = true);
      assert.deepEqual([moves.isEmpty, [...moves.inodes]], [false, [1]]);
      await clock.advance(60_000);
      assert.equal(outcomes.join(", "), `${expected}, empty`);
      assert.deepEqual([moves.isEmpty, isEmpty, clock.pending], [true, true, 0]);
      assert.deepEqual([changes.at(0), changes.at(-1)], [true, false]);
    });
  }

  const pauses: [string, Partial<Story>, number[]][] = [
    ["until the last is accepted", { acceptsAfterMs: 5 }, [17, 17, 17]],
    ["no longer than the server accepts without a pause", { acceptsAfterMs: 60 }, [112, 172, 182]],
    ["not at all where they may be read in blocking mode", { acceptsAfterMs: 5, blocks: true }, [
      7,
      12,
      17,
      17,
      17,
      17,
    ]],
  ];
  for (const [name, story, wakings] of pauses) {
    test(`lets accepted connections sleep: ${name}`, async () => {
      const world = new World({ sends: [REQUEST, 0], connections: 3, ...story });
      await world.clock.advance(1_000);
      assert.deepEqual(world.wakings, wakings);
      assert.equal(world.moves.counts.moved, 3);
    });
  }

  test("drops none while the new server accepts others, however slowly", async () => {
    const world = new World({ sends: [REQUEST, 0], connections: 3, acceptsAfterMs: 4_000 });
    await world.clock.advance(60_000);
    assert.deepEqual([world.moves.counts.moved, world.moves.counts.dropped], [3, 0]);
  });

  test("wakes accepted connections when they are another mover's affair", async () => {
    const world = new World({ sends: [REQUEST, 0], connections: 3, acceptsAfterMs: 40 });
    await world.clock.advance(50);
    assert.deepEqual(world.wakings, []);
    world.moves.wakeAccepted();
    assert.deepEqual([world.wakings, world.moves.counts.moved], [[50], 1]);
  });

  test("protects a connection from shutdown(2) until the new server has it", async () => {
    const world = new World({ sends: [REQUEST, 0], connections: 2, acceptsAfterMs: 40 });
    await world.clock.advance(10);
    assert.deepEqual([...world.moves.protectedTargets], ["socket:[1]", "socket:[2]"]);
    await world.clock.advance(40);
    assert.deepEqual([world.moves.inodes.size, world.wakings], [2, []]);
    assert.deepEqual([...world.moves.protectedTargets], ["socket:[2]"], "the first has a server");
  });

  for (const [waiting, wakeUps] of [[0, 2], [1, 1]] as const) {
    test(`wakes it at once for more, with ${waiting} in its queue: ${wakeUps}`, async () => {
      const world = new World({ sends: [REQUEST, 0], waiting });
      await world.clock.advance(10);
      assert.equal(world.wakeUps, 1);
      world.start(2);
      await world.clock.advance(10);
      assert.equal(world.wakeUps, wakeUps);
    });
  }

  test("wakes the new server every 50 ms until it accepts", async () => {
    const world = new World({ sends: [REQUEST, 0], acceptsAfterMs: 220 });
    await world.clock.advance(60_000);
    assert.equal(world.wakeUps, 5);
    assert.equal(world.isOpen, false, "baton's descriptor is closed");
  });
});
