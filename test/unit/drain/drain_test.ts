/** When a generation counts as drained, and how often it is sampled, on a clock moved by hand. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type SocketTable, Tracks } from "../../../src/drain/connections.ts";
import { Drain } from "../../../src/drain/drain.ts";
import type { TcpSocket } from "../../../src/platform/network/sock_diag.ts";
import type { UnixSocket } from "../../../src/platform/network/unix_diag.ts";
import { C } from "../../../src/platform/libc/constants.ts";
import { FakeClock } from "../../support/fake_clock.ts";

const QUIET_MS = 500;
const NEVER = Infinity;
const [OWN, OTHER, HIDDEN, OUTSIDE] = [100, 200, 300, 400];
const END = { family: "inet", host: "127.0.0.1", port: 80, scope: 0 } as const;

/** A connection: when it comes, asks, is answered, and is closed. */
interface Connection {
  readonly fromMs?: number;
  readonly asksAtMs?: number;
  readonly answeredAtMs?: number;
  readonly untilMs?: number;
  /** Who has it open. */
  readonly pid?: number;
  /** Its tag is that of another generation. */
  readonly isStray?: boolean;
}

interface Story extends Partial<Drain["target"]> {
  readonly connections?: readonly Connection[];
  /** Until when a connection waits in the accept queue. */
  readonly queueUntilMs?: number;
  /** Until when a connection is between its handshake and the queue. */
  readonly arrivesUntilMs?: number;
  /** Handshakes, each from when to when. */
  readonly handshakes?: readonly (readonly [fromMs: number, toMs: number])[];
  /** Connections to a Unix socket, each until when. */
  readonly unixUntilMs?: readonly number[];
  /** Tasks that want a processor, for each; 5 where it is not said. */
  readonly runnable?: number;
  /** What a sample costs. */
  readonly sampleMs?: number;
  readonly isPermitted?: boolean;
}

/** A listener and those of its connections that are still open. */
function unixSockets(untilMs: readonly number[], atMs: number): UnixSocket[] {
  const socket = { name: "/x", node: "8:1", peer: 1, receiveQueue: 0, sendQueue: 0 };
  const open = untilMs.flatMap((ms, i) => atMs < ms ? 100 + i : []);
  return [
    { ...socket, inode: 1, isListener: true },
    ...open.map((inode) => ({ ...socket, inode, isListener: false })),
  ];
}

function socketAt(connection: Connection, inode: number, atMs: number): TcpSocket {
  const { asksAtMs = -1_000_000, answeredAtMs = NEVER } = connection;
  const hasAsked = atMs >= asksAtMs;
  const isAnswered = atMs >= answeredAtMs;
  return {
    state: C.TCP_ESTABLISHED,
    inode,
    uid: 0,
    boundInterface: 0,
    local: END,
    remote: END,
    receiveQueue: 0,
    sendQueue: 0,
    traffic: {
      sinceReceivedMs: hasAsked ? atMs - asksAtMs : 1_000_000,
      sinceSentMs: isAnswered ? atMs - answeredAtMs : 1_000_000,
      sinceAckMs: isAnswered ? atMs - answeredAtMs : 1_000_000,
      bytesReceived: hasAsked ? 100 : 0,
      bytesAcked: isAnswered ? 100 : 0,
      segmentsSent: isAnswered ? 1 : 0,
      segmentsReceived: hasAsked ? 1 : 0,
    },
  };
}

class World {
  readonly clock = new FakeClock();
  readonly samples: number[] = [];
  /** When what processes have open was read. */
  readonly openedAt: number[] = [];
  readonly drainedAt: number[] = [];
  readonly spreadAt: number[] = [];
  refusals = 0;
  readonly drain: Drain;

  constructor(story: Story) {
    const { connections = [], queueUntilMs = 0, handshakes = [], unixUntilMs, ...others } = story;
    const { arrivesUntilMs = 0, ...rest } = others;
    const { clock } = this;
    const { sampleMs = 0, isPermitted = true, runnable = 5, ...target } = rest;
    const group = {
      address: unixUntilMs === undefined ? {} : { family: "unix" },
      isShared: false,
      findShutDown: () => {},
      membersOf: () => [{ inode: 1 }],
    };
    const stray = new Set(connections.flatMap(({ isStray }, i) => isStray ? 10 + i : []));
    const readTable = () => {
      clock.readCostMs = sampleMs;
      const atMs = clock.now();
      clock.readCostMs = 0;
      this.samples.push(Math.round(atMs - sampleMs));
      const rows = connections.map((each, i) => ({ each, inode: 10 + i }))
        .filter(({ each }) => (each.fromMs ?? 0) <= atMs && atMs < (each.untilMs ?? NEVER))
        .map(({ each, inode }) => ({ ...socketAt(each, inode, atMs), pid: each.pid ?? OWN }));
      return {
        unix: unixUntilMs === undefined ? [] : unixSockets(unixUntilMs, atMs),
        isTagged: () => true,
        seesInto: (pids: readonly number[]) => !pids.includes(HIDDEN),
        accepted: rows,
        connectionsOf: () => rows.filter((row) => !stray.has(row.inode)),
        openBy: (pids: readonly number[]) => {
          this.openedAt.push(Math.round(atMs - sampleMs));
          return rows.filter(({ pid }) => pids.includes(pid));
        },
        backlogOf: () => atMs < queueUntilMs ? 1 : 0,
        unacceptedOf: () => (atMs < queueUntilMs ? 1 : 0) + (atMs < arrivesUntilMs ? 1 : 0),
        halfOpen: () =>
          new Set(
            handshakes.flatMap(([fromMs, toMs], i) => fromMs <= atMs && atMs < toMs ? `${i}` : []),
          ),
      } as unknown as SocketTable;
    };
    const spread = {
      closeDue: (blocking: Iterable<number>) => {
        this.spreadAt.push(Math.round(clock.now()));
        return { longLived: [...blocking].length, closed: [] };
      },
      closer: { isPermitted },
    };
    const parts = {
      clock,
      listeners: { deafEpoch: null, groupsOf: () => [group] },
      spread,
      questions: { ask: () => false },
      readTable,
      runnablePerProcessor: () => runnable,
    };
    this.drain = new Drain(
      parts as unknown as ConstructorParameters<typeof Drain>[0],
      {
        epoch: 0,
        style: "quiesce",
        quietMs: QUIET_MS,
        isStop: false,
        isHeld: false,
        processes: () => [OWN],
        otherProcesses: () => [OTHER],
        seen: new Set(),
        tracks: new Tracks(),
        movedAway: () => new Set(),
        expectsRequests: () => false,
        endsAtMs: () => null,
        spreadMs: 0,
        onDrained: () => this.drainedAt.push(clock.now()),
        onSpreadClosed: () => {},
        onSpreadRefused: () => this.refusals++,
        ...target,
      },
    );
  }
}

describe("Drain: when it is drained", () => {
  const ASKING = { asksAtMs: -100, answeredAtMs: 300 };
  const ENDLESS = { asksAtMs: -100 };
  const cases: [string, Story, number | null][] = [
    ["the queue must be empty twice", {}, 10],
    ["a connection in the queue is waited for", { queueUntilMs: 35 }, 50],
    ["one that is about to enter it, too", { arrivesUntilMs: 35 }, 50],
    ["with style signal too", { queueUntilMs: 35, style: "signal" }, 50],
    ["a connect to a Unix socket may be on its way to the old queue", { unixUntilMs: [] }, 60],
    ["for less long where the machine is idle", { unixUntilMs: [], runnable: 0.5 }, 30],
    ["for longer where it is not", { unixUntilMs: [], runnable: 12 }, 130],
    ["a connection to a Unix socket is waited for until it is closed", { unixUntilMs: [400] }, 610],
    ["not at a stop, if nothing is seen on it", { unixUntilMs: [NEVER], isStop: true }, 10_050],
    ["a handshake from before is waited for", { handshakes: [[-100, 45]] }, 60],
    ["one that begins later is not", { handshakes: [[5, 1_000]] }, 10],
    ["a request is waited for, and the silence after its answer", { connections: [ASKING] }, 810],
    ["a connection that closes is not", { connections: [{ ...ENDLESS, untilMs: 100 }] }, 150],
    ["an endless answer blocks it", { connections: [ENDLESS] }, null],
    ["with style settle for a second", { connections: [ENDLESS], style: "settle" }, 1_060],
    ["with style signal not at all", { connections: [ENDLESS], style: "signal" }, 10],
    ["one that was passed on does not", { connections: [{ ...ENDLESS, pid: OTHER }] }, 10],
    ["one that was passed to it does", { connections: [{ ...ENDLESS, isStray: true }] }, null],
    ["one of a process outside does", {
      connections: [{ ...ENDLESS, pid: OUTSIDE }],
    }, null],
    ["a connection that has moved away does not", {
      connections: [ENDLESS],
      movedAway: () => new Set([10]),
    }, 10],
    ["at a stop the queue does not", { isStop: true, queueUntilMs: NEVER, style: "signal" }, 0],
    ["at a stop a request that is on its way does", {
      isStop: true,
      style: "signal",
      expectsRequests: () => true,
    }, null],
    ["at a stop later connections block it for a second", {
      isStop: true,
      connections: [{ ...ENDLESS, untilMs: 200 }, { ...ENDLESS, fromMs: 50 }],
    }, 1_300],
  ];
  for (const [name, story, expected] of cases) {
    test(`${name}: ${expected === null ? "never" : `${expected} ms`}`, async () => {
      const { clock, drain, drainedAt } = new World(story);
      drain.begin();
      await clock.advance(60_000);
      assert.deepEqual(drainedAt, expected === null ? [] : [expected]);
      drain.cancel();
      assert.equal(clock.pending, 0);
    });
  }

  test("counts connections and the queue, and remembers all connections", async () => {
    const { clock, drain } = new World({
      queueUntilMs: 25,
      connections: [{ asksAtMs: -100, untilMs: 15 }],
    });
    drain.begin();
    assert.deepEqual(drain.census.counts, { total: 1, busy: 1, idle: 0, undecided: 0 });
    assert.equal(drain.waiting, 1);
    assert.equal(drain.mayOwe(10), true);
    await clock.advance(100);
    assert.deepEqual(drain.census.counts, { total: 0, busy: 0, idle: 0, undecided: 0 });
    assert.equal(drain.mayOwe(10), false);
    assert.equal(drain.target.seen.size, 1);
    assert.equal(drain.lastedMs, 100);
  });
});

describe("Drain: what processes have open is read", () => {
  const BUSY = { asksAtMs: -100, answeredAtMs: 300 };
  const IDLE = { asksAtMs: -100_000, answeredAtMs: -99_000 };
  const cases: [string, Connection[], number[], (() => number[])?][] = [
    ["at the first look if an answer is owed, and for reports", [BUSY], [0, 5_000]],
    ["not at all if none is", [IDLE], []],
    ["if another generation has connections too, before it counts as drained", [BUSY, {
      ...IDLE,
      isStray: true,
      pid: OTHER,
    }], [0, 810, 5_000]],
    ["only for reports if no other one may have got them", [BUSY], [5_000], () => []],
  ];
  for (const [name, connections, expected, otherProcesses] of cases) {
    test(name, async () => {
      const others = otherProcesses && { otherProcesses };
      const { clock, drain, openedAt, samples } = new World({ connections, ...others });
      drain.begin();
      await clock.advance(5_000);
      drain.recount();
      drain.cancel();
      assert.ok(samples.length > 8, samples.join(" "));
      assert.deepEqual([...new Set(openedAt)], expected);
    });
  }
});

for (
  const [name, processes, cut] of [
    ["a connection of a process outside is not cut", [OWN], 1],
    ["unless it is not known to be outside", [OWN, HIDDEN], 2],
  ] as const
) {
  test(`a report of what a signal cuts: ${name}`, () => {
    const connections = [{ asksAtMs: -100 }, { asksAtMs: -100, pid: OUTSIDE }];
    const { drain } = new World({ connections, processes: () => [...processes] });
    drain.begin();
    assert.equal(drain.census.busy.size, 2, "both are waited for");
    drain.recount();
    drain.cancel();
    assert.equal(drain.census.busy.size, cut);
  });
}

describe("Drain: when it samples", () => {
  const ENDLESS = [{ asksAtMs: -100 }];
  /** Until the last sample of each list. */
  const cases: [string, Story, string][] = [
    ["every 10 ms while the queue is not empty", { queueUntilMs: NEVER }, "0 10 20 30 40 50"],
    [
      "ever more slowly while connections block it",
      { connections: ENDLESS },
      "0 10 30 70 150 310 560 810 1060",
    ],
    [
      "every 2 ms while new clients wait for it",
      { connections: ENDLESS, isHeld: true },
      "0 2 4 6 8 10 12",
    ],
    ["once a second when it is drained", {}, "0 10 30 70 150 310 630 1270 2270 3270"],
    [
      "at the start of the spread, and every 40 ms from then on",
      { connections: ENDLESS, spreadMs: 500, endsAtMs: () => 1_000 },
      "0 10 30 70 150 310 500 540 580 620",
    ],
    [
      "with pauses of four times what a sample takes",
      { connections: ENDLESS, spreadMs: 500, endsAtMs: () => 500, sampleMs: 20 },
      "0 100 200 300",
    ],
  ];
  for (const [name, story, expected] of cases) {
    test(name, async () => {
      const { clock, drain, samples } = new World(story);
      drain.begin();
      await clock.advance(Number(expected.split(" ").at(-1)));
      assert.equal(samples.join(" "), expected);
    });
  }

  test("closes long-lived connections only in the spread", async () => {
    const { clock, drain, spreadAt } = new World({
      connections: ENDLESS,
      spreadMs: 100,
      endsAtMs: () => 1_000,
    });
    drain.begin();
    await clock.advance(1_000);
    assert.deepEqual(spreadAt, [900, 940, 980]);
  });

  test("says once that they cannot be closed, and samples as before", async () => {
    const world = new World({
      connections: ENDLESS,
      spreadMs: 500,
      endsAtMs: () => 500,
      isPermitted: false,
    });
    world.drain.begin();
    await world.clock.advance(100);
    assert.equal(world.refusals, 1);
    assert.deepEqual(world.samples, [0, 10, 30, 70]);
  });
});
