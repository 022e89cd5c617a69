/**
 * The promise of a move, whatever the kernel, the machine and the server do meanwhile: a connection moves only where no
 * answer is owed and a request begins, so nothing can be lost, and no other connection stays held back.
 */
import assert from "node:assert/strict";
import process from "node:process";
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
import type { Fd } from "../../../src/platform/fd.ts";
import { C } from "../../../src/platform/libc/constants.ts";
import { FakeClock } from "../../support/fake_clock.ts";
import { Random } from "../../support/random.ts";
import { ANSWER_LENGTH, type Manner, PlayedKernel, REQUEST } from "./played_kernel.ts";

const DEFAULT_SEED = 2_026_112_9;
const WORLDS = 12;
const CONNECTIONS = 12;
const DRAIN_MS = 15_000;
const STEP_MS = 250;

const POLITE: Manner = {
  thinkMs: 0,
  wakeMs: 2,
  answerMs: 4,
  letsGoMs: [0, 400],
  stallMs: 1,
  corks: "never",
  isRude: false,
};

interface Result {
  readonly counts: KeepAliveCounts | null;
  readonly kernel: PlayedKernel;
  readonly moved: readonly MovingConnection[];
}

/** @param cancelAfterMs the move is given up then */
async function play(
  manners: readonly Manner[],
  random: Random,
  cancelAfterMs = Infinity,
): Promise<Result> {
  const clock = new FakeClock();
  const kernel = new PlayedKernel(manners, clock, random);
  const { connections, sockets, platform } = kernel;
  const moved: MovingConnection[] = [];
  let counts: KeepAliveCounts | null = null;
  const letAnswer = (socket: Fd, connection: TrackedConnection) => {
    if (connection.isCorked) sockets[socket.number]!.setOption(C.TCP_CORK, 0, clock.now());
    connection.isCorked = false;
  };
  const fd = (number: number) =>
    ({ number, close: () => {}, [Symbol.dispose]: () => {} }) as unknown as Fd;
  const table = {
    connections,
    size: connections.length,
    totalSeen: connections.length,
    refresh: () => {},
    duplicate: ({ inode }: TrackedConnection) => fd(inode),
    groupOf: () => ({}),
    letAnswer,
    resume: (which: readonly TrackedConnection[]) => {
      for (const connection of which) {
        letAnswer(fd(connection.inode), connection);
        sockets[connection.inode]!.setOption(0, 1, clock.now());
      }
      return [];
    },
    close: () => {},
  };
  const mover = new Mover(platform, {
    table: table as unknown as ConnectionTable,
    inFlight: {
      capacity: Infinity,
      wakeAccepted: () => {},
      start: (connection: MovingConnection) => moved.push(connection),
    } as unknown as InFlightMoves,
    hasSuccessor: () => true,
    quietMs: 50,
    drainTimeMs: DRAIN_MS,
    settleMs: Infinity,
    onCommitted: (committed) => counts = committed,
    onOutcome: () => {},
  });
  for (let ms = 0; ms < DRAIN_MS && counts === null; ms += STEP_MS) {
    await clock.advance(STEP_MS);
    if (ms >= cancelAfterMs) break;
  }
  if (clock.now() >= cancelAfterMs) mover.cancel();
  else mover.commit();
  return { counts, kernel, moved };
}

function check({ kernel, moved }: Result, where: string): void {
  for (const { inode, read, sent } of moved) {
    const which = `${where}, connection ${inode}`;
    assert.equal(read % REQUEST.length, 0, `${which}: a request begins`);
    assert.equal(sent, read / REQUEST.length * ANSWER_LENGTH, `${which}: all is answered`);
    const { sent: out } = kernel.sockets[inode]!;
    assert.ok(out >= sent, `${which}: the client has the answers`);
  }
  const inFlight = new Set(moved.map(({ inode }) => inode));
  for (const [inode, socket] of kernel.sockets.entries()) {
    const which = `${where}, connection ${inode}`;
    assert.ok(!socket.isStuck, `${which}: no read waits for more than a request`);
    assert.equal(socket.isPaused, inFlight.has(inode), `${which}: only one in flight is paused`);
    const { corks } = socket.manner;
    if (corks === "while it answers") continue;
    assert.equal(socket.isCorked, corks === "always", `${which}: TCP_CORK is what it was`);
  }
}

describe("a move on a kernel that does everything at the worst moment", () => {
  const seed = Number(process.env["BATON_TEST_SEED"] ?? DEFAULT_SEED);
  const worlds: [string, Partial<Manner>, boolean][] = [
    ["answers are let go at any moment", {}, true],
    ["a machine that stops baton for 30 ms now and then", { stallMs: 30 }, true],
    ["a server that reads late", { wakeMs: 60, answerMs: 60 }, true],
    ["a server that corks its answers", { corks: "while it answers" }, true],
    ["a server that corks for good", { corks: "always", letsGoMs: [0, 200] }, true],
    ["clients that think", { thinkMs: 200, wakeMs: 30, stallMs: 10 }, true],
    [
      "a server that waits in select(2) and reads in blocking mode",
      { blocks: true, wakeMs: 5, stallMs: 0, thinkMs: 20 },
      false,
    ],
    ["clients that do not wait for answers", { isRude: true, thinkMs: 100 }, false],
    [
      "all of it",
      { corks: "while it answers", wakeMs: 60, stallMs: 30, thinkMs: 20, isRude: true },
      false,
    ],
  ];
  for (const [name, manner, movesAll] of worlds) {
    test(`${name}: nothing is lost`, async () => {
      let total = 0;
      for (let world = 0; world < WORLDS; world++) {
        const random = new Random(seed + world);
        const manners = Array.from({ length: CONNECTIONS }, (_, i) => ({
          ...POLITE,
          ...manner,
          isRude: manner.isRude === true && i % 2 === 1,
        }));
        const result = await play(manners, random);
        check(result, `world ${world}`);
        total += result.moved.length;
      }
      const least = WORLDS * CONNECTIONS / (movesAll ? 1 : 8);
      assert.ok(total >= least, `${total} of ${WORLDS * CONNECTIONS} have moved`);
    });
  }

  test("on a machine so slow that a look takes longer than an answer is held back", async () => {
    const random = new Random(seed);
    const slow = { ...POLITE, stallMs: 8, letsGoMs: [200, 220] } as const;
    const result = await play(Array.from({ length: 100 }, () => slow), random);
    check(result, "slow");
    assert.equal(result.moved.length, 100);
  });

  test("that is given up at any moment: none stays held back", async () => {
    for (let world = 0; world < WORLDS; world++) {
      const random = new Random(seed + world);
      const slow = { ...POLITE, answerMs: 2_000, stallMs: 5 };
      const manners = Array.from({ length: CONNECTIONS }, (_, i) => i === 0 ? slow : POLITE);
      check(await play(manners, random, random.next() * 2_000), `world ${world}`);
    }
  });
});
