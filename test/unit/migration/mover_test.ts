/** The pace of a move, on a clock moved by hand and on sockets of a simulated kernel: preview, rounds, commit, cancel. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type {
  ConnectionTable,
  TrackedConnection,
} from "../../../src/migration/connection_table.ts";
import type {
  InFlightMoves,
  KeepAliveCounts,
  MovingConnection,
} from "../../../src/migration/in_flight.ts";
import { Mover } from "../../../src/migration/mover.ts";
import type { MoverOptions } from "../../../src/migration/mover_options.ts";
import type { Fd } from "../../../src/platform/fd.ts";
import { C } from "../../../src/platform/libc/constants.ts";
import type { Platform } from "../../../src/platform/platform.ts";
import { FakeClock } from "../../support/fake_clock.ts";

const REQUEST = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const QUIET_MS = 50;
/** When the server looks for requests, and how long it works on one. */
const SERVER_MS = 1;
const ANSWER_LENGTH = 100;

interface Client {
  /** From an answer to the next request; Infinity: it sends none. */
  readonly thinkMs: number;
  /** From a request to its answer. */
  readonly answerMs?: number;
  /** The server reads in blocking mode. */
  readonly blocks?: boolean;
  /** What its server sends cannot be held back, as where it uses TCP_CORK itself. */
  readonly getsAnswers?: boolean;
}

/** One connection, with a client that waits for answers and a server that only reads when it is woken. */
class Conversation {
  received = "";
  read = 0;
  sent = 0;
  receivedAtMs = 0;
  sentAtMs = 0;
  isPaused = false;
  /** Bytes in the kernel that the client does not have yet. */
  heldBack = 0;
  #isHolding = false;
  #answersAtMs = Infinity;
  #asksAtMs: number;

  constructor(readonly client: Client) {
    this.#asksAtMs = client.thinkMs;
  }

  get unread(): string {
    return this.received.slice(this.read);
  }

  live(atMs: number): void {
    if (atMs >= this.#asksAtMs) {
      this.#asksAtMs = Infinity;
      this.received += REQUEST;
      this.receivedAtMs = atMs;
    }
    if (this.unread !== "" && !this.isPaused) {
      this.read = this.received.length;
      this.#answersAtMs = atMs + (this.client.answerMs ?? SERVER_MS);
    }
    if (atMs < this.#answersAtMs) return;
    this.#answersAtMs = Infinity;
    this.sentAtMs = atMs;
    this.heldBack = ANSWER_LENGTH;
    if (!this.#isHolding) this.#send(atMs);
  }

  #send(atMs: number): void {
    this.sent += this.heldBack;
    this.heldBack = 0;
    this.#asksAtMs = atMs + this.client.thinkMs;
  }

  holdAnswer(holds: boolean, atMs: number): void {
    this.#isHolding = holds && !this.client.getsAnswers;
    if (!holds && this.heldBack > 0) this.#send(atMs);
  }
}

class World {
  readonly clock = new FakeClock();
  readonly conversations: readonly Conversation[];
  readonly connections: TrackedConnection[];
  readonly mover: Mover;
  readonly started: number[] = [];
  committed: (KeepAliveCounts & { readonly atMs: number }) | null = null;
  mostReleased = 0;
  mostFollowed = 0;
  isReachable = true;
  /** Of what has been accepted. */
  wakeUps = 0;
  isClosed = false;

  constructor(clients: readonly Client[], options: Partial<MoverOptions> = {}) {
    this.clock.readCostMs = 0.01;
    this.conversations = clients.map((client) => new Conversation(client));
    this.connections = clients.map((_, inode) => ({
      inode,
      oldDescriptor: { pid: 1, descriptor: inode, target: "" },
      socket: {} as TrackedConnection["socket"],
      state: null,
      sample: null,
      isCorked: false,
      evidence: 0,
      cookie: null,
    }));
    this.#live();
    this.mover = new Mover(this.#platform, {
      table: this.#table as unknown as ConnectionTable,
      inFlight: {
        capacity: Infinity,
        wakeAccepted: () => this.wakeUps++,
        start: ({ inode }: MovingConnection) => this.started.push(inode),
      } as unknown as InFlightMoves,
      hasSuccessor: () => true,
      quietMs: QUIET_MS,
      drainTimeMs: 60_000,
      settleMs: Infinity,
      onCommitted: (counts) => this.committed = { ...counts, atMs: Math.floor(this.clock.now()) },
      onOutcome: () => {},
      ...options,
    });
  }

  /** Which are paused. */
  get paused(): number[] {
    return this.conversations.flatMap(({ isPaused }, i) => isPaused ? i : []);
  }

  #live(): void {
    const atMs = this.clock.now();
    for (const conversation of this.conversations) conversation.live(atMs);
    const released = this.connections.filter(({ state }) => state?.phase === "released");
    const followed = released.filter(({ state }) => state?.hasSlipped);
    this.mostReleased = Math.max(this.mostReleased, released.length);
    this.mostFollowed = Math.max(this.mostFollowed, followed.length);
    this.clock.after(SERVER_MS, () => this.#live());
  }

  #of(socket: Fd): Conversation {
    return this.conversations[socket.number] ?? assert.fail("there is such a connection");
  }

  get #table() {
    const duplicate = ({ inode }: TrackedConnection) =>
      this.isReachable
        ? { number: inode, close: () => {}, [Symbol.dispose]: () => {} } as unknown as Fd
        : null;
    return {
      connections: this.connections,
      size: this.connections.length,
      totalSeen: this.connections.length,
      refresh: () => {},
      duplicate,
      groupOf: () => ({}),
      letAnswer: (socket: Fd, connection: TrackedConnection) => {
        if (connection.isCorked) this.#of(socket).holdAnswer(false, this.clock.now());
        connection.isCorked = false;
      },
      resume: (connections: readonly TrackedConnection[]) => {
        if (!this.isReachable) return connections;
        for (const { inode } of connections) this.conversations[inode]!.isPaused = false;
        return [];
      },
      close: () => this.isClosed = true,
    };
  }

  get #platform(): Platform {
    return {
      clock: this.clock,
      descriptors: {
        isNonblocking: (socket: Fd) => !this.#of(socket).client.blocks,
      },
      sockets: {
        option: () => 0,
        setOption: (socket: Fd, _level: number, name: number, value: number) => {
          if (name === C.TCP_CORK) this.#of(socket).holdAnswer(value === 1, this.clock.now());
          else this.#of(socket).isPaused = value > 1;
        },
        unreadBytes: (socket: Fd) => this.#of(socket).unread.length,
        unacknowledgedBytes: (socket: Fd) => this.#of(socket).heldBack,
        peek: (socket: Fd) => new TextEncoder().encode(this.#of(socket).unread),
      },
      sockDiag: {
        trafficOf: (socket: Fd) => {
          const { received, sent, receivedAtMs, sentAtMs } = this.#of(socket);
          const atMs = this.clock.now();
          return {
            bytesReceived: received.length,
            bytesAcked: sent,
            sinceReceivedMs: atMs - receivedAtMs,
            sinceSentMs: atMs - sentAtMs,
            sinceAckMs: atMs - sentAtMs,
          };
        },
      },
    } as unknown as Platform;
  }
}

const THINKS = { thinkMs: 100 };
const NEVER_PAUSES = { thinkMs: 0 };
const SILENT = { thinkMs: Infinity };
/** A connection that is never idle for long enough, and whose server owes an answer most of the time. */
const NEVER_IDLE = { thinkMs: 1, answerMs: 200_000 };

describe("Mover", () => {
  const cases: [string, Client[], Partial<MoverOptions>, KeepAliveCounts, [number, number]][] = [
    ["moves a client that thinks once it was followed", [THINKS], {}, {
      moved: 1,
      left: 0,
      finished: 0,
    }, [100, 500]],
    ["moves all at one moment", [THINKS, { thinkMs: 130 }, { thinkMs: 70 }], {}, {
      moved: 3,
      left: 0,
      finished: 0,
    }, [150, 1_000]],
    ["leaves a client that sends nothing, after 2 s", [SILENT], {}, {
      moved: 0,
      left: 1,
      finished: 0,
    }, [2_000, 2_010]],
    [
      "waits for it while its server is known to be busy",
      [SILENT],
      {
        isBusy: () => true,
        settleMs: 7_000,
      },
      { moved: 0, left: 1, finished: 0 },
      [7_000, 7_010],
    ],
    [
      "leaves a busy one when its server settles by itself",
      [NEVER_IDLE, THINKS],
      {
        settleMs: 10_000,
      },
      { moved: 1, left: 1, finished: 0 },
      [10_000, 10_010],
    ],
    ["leaves those without a successor", [THINKS], { hasSuccessor: () => false }, {
      moved: 0,
      left: 1,
      finished: 0,
    }, [100, 500]],
    [
      "leaves one that is read in blocking mode and never silent",
      [{ thinkMs: 1, blocks: true }],
      {
        settleMs: 9_000,
      },
      { moved: 0, left: 1, finished: 0 },
      [2_000, 9_010],
    ],
  ];
  for (const [name, clients, options, counts, [fromMs, toMs]] of cases) {
    test(name, async () => {
      const world = new World(clients, options);
      await world.clock.advance(toMs + 1_000);
      const { atMs, ...found } = world.committed ?? assert.fail("it has committed");
      assert.deepEqual(found, counts);
      assert.ok(atMs >= fromMs && atMs <= toMs, `committed at ${atMs} ms`);
      assert.equal(world.started.length, counts.moved);
      assert.deepEqual(world.paused, world.started, "only those in flight stay paused");
    });
  }

  test("pauses nothing in the preview", async () => {
    const world = new World([SILENT]);
    assert.equal(world.wakeUps, 1, "what is on its way there is there first");
    await world.clock.advance(29);
    assert.deepEqual(world.paused, []);
    await world.clock.advance(10);
    assert.deepEqual(world.paused, [0]);
  });

  test("previews before it commits, on a slow machine too", async () => {
    const world = new World([THINKS], { quietMs: 1 });
    world.clock.readCostMs = 25;
    await world.clock.advance(1_000);
    assert.equal(world.committed?.moved ?? 1, 1, "it was paused and followed first");
  });

  test("holds the others for 10 s, leaves them alone for 10 s, and so on", async () => {
    const world = new World([NEVER_IDLE, { thinkMs: 40 }]);
    const held: boolean[] = [];
    for (let second = 0; second < 60; second++) {
      let isHeld = false;
      for (let i = 0; i < 10; i++) {
        await world.clock.advance(100);
        isHeld ||= world.paused.includes(1);
      }
      held.push(isHeld);
    }
    const attempt = Array.from({ length: 8 }, () => true);
    const pause = Array.from({ length: 8 }, () => false);
    // Each reading of the time takes some: the seconds of this test are a little longer.
    const inside = held.filter((_, second) => second % 10 > 0 && second % 10 < 9);
    assert.deepEqual(inside.slice(0, 40), [...attempt, ...pause, ...attempt, ...pause, ...attempt]);
    assert.equal(held.at(-1), true, "the last 10 s of the drain time are an attempt");
  });

  test("releases the requests of all clients that never pause at once, and moves all", async () => {
    const world = new World(Array.from({ length: 200 }, () => NEVER_PAUSES));
    await world.clock.advance(200);
    assert.equal(world.committed?.moved, 200);
    assert.equal(world.mostReleased, 200);
    assert.ok(world.conversations.every(({ heldBack }) => heldBack === 0));
  });

  test("follows at most four at a time of those whose answers get out", async () => {
    const world = new World(
      Array.from({ length: 20 }, () => ({ ...NEVER_PAUSES, getsAnswers: true })),
    );
    await world.clock.advance(1_000);
    assert.ok(world.mostFollowed > 0 && world.mostFollowed <= 4, `${world.mostFollowed}`);
  });

  test("moves as many as there are descriptors for, and resumes the others", async () => {
    const started: number[] = [];
    const world = new World([THINKS, THINKS, THINKS], {
      inFlight: {
        capacity: 2,
        wakeAccepted: () => {},
        start: ({ inode }: MovingConnection) => started.push(inode),
      } as unknown as InFlightMoves,
    });
    await world.clock.advance(1_000);
    assert.deepEqual(started, [0, 1]);
    assert.deepEqual(world.paused, [0, 1]);
    assert.equal(world.committed?.left, 1);
  });

  test("cancel() resumes all of them, as soon as they can be reached", async () => {
    const world = new World([SILENT, SILENT]);
    await world.clock.advance(100);
    assert.deepEqual(world.paused, [0, 1]);
    world.isReachable = false;
    world.mover.cancel();
    await world.clock.advance(100);
    assert.deepEqual([world.paused, world.isClosed], [[0, 1], false]);
    world.isReachable = true;
    await world.clock.advance(4);
    assert.deepEqual([world.paused, world.isClosed], [[], true]);
    await world.clock.advance(5_000);
    assert.equal(world.committed, null);
  });
});
