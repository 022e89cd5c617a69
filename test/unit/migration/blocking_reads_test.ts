/** Servers that wait in select(2) and read in blocking mode: when their connections may be paused, and which are stuck. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { BlockingReads } from "../../../src/migration/blocking_reads.ts";
import { firstTransition } from "../../../src/migration/connection_state.ts";
import type { Sample } from "../../../src/migration/sample.ts";
import type { Fd } from "../../../src/platform/fd.ts";
import { C } from "../../../src/platform/libc/constants.ts";
import type { Platform } from "../../../src/platform/platform.ts";

const SOCKET = {} as Fd;
const READ: Sample = {
  atMs: 0,
  read: 100,
  unread: 0,
  sent: 50,
  unacknowledged: 0,
  serverSentLast: true,
  silentMs: 10,
  activity: "idle",
  head: null,
};

/** A connection on which things happen right after it is paused. */
class PausedConnection {
  received = 100;
  isBlocking = false;
  isPaused = false;

  constructor(readonly onPause: (connection: PausedConnection) => void) {}

  get platform(): Platform {
    return {
      descriptors: { isNonblocking: () => !this.isBlocking },
      sockDiag: { trafficOf: () => ({ bytesReceived: this.received }) },
      sockets: {
        setOption: (_socket: Fd, _level: number, name: number, value: number) => {
          assert.equal(name, C.SO_RCVLOWAT);
          this.isPaused = value > 1;
          if (this.isPaused) this.onPause(this);
        },
      },
    } as unknown as Platform;
  }
}

describe("a connection is paused", () => {
  const cases: [string, (connection: PausedConnection) => void, Partial<Sample>, boolean][] = [
    ["where nothing has come", () => {}, {}, true],
    ["not where a request is unread", () => {}, { unread: 20 }, false],
    ["not where one came just before", (each) => each.received += 20, {}, false],
    ["not where a thread is about to read", (each) => each.isBlocking = true, {}, false],
  ];
  for (const [name, onPause, sample, expected] of cases) {
    test(name, () => {
      const connection = new PausedConnection(onPause);
      const reads = new BlockingReads(connection.platform);
      assert.equal(reads.pause(SOCKET, { ...READ, ...sample }), expected);
      assert.equal(connection.isPaused, expected);
    });
  }

  test("whatever has come, where the server never reads in blocking mode", () => {
    const connection = new PausedConnection((each) => each.received += 20);
    const reads = new BlockingReads(connection.platform);
    for (let i = 0; i < 20; i++) reads.note(READ, { ...READ, unread: 20 });
    assert.ok(reads.pause(SOCKET, READ));
    assert.ok(connection.isPaused);
  });
});

describe("a read is stuck", () => {
  const paused = firstTransition(READ).state;
  const more = { ...READ, read: 120 };
  const cases: [string, boolean, Parameters<BlockingReads["isStuck"]>, boolean][] = [
    ["when it has taken something on a paused connection", true, [paused, more], true],
    ["not in a server without blocking mode", false, [paused, more], false],
    ["not when nothing was read", true, [paused, READ], false],
    ["not on one that was released", true, [{ ...paused, phase: "released" }, more], false],
    ["not on one that was never paused", true, [null, more], false],
  ];
  for (const [name, mayBlock, args, expected] of cases) {
    test(name, () => {
      const reads = new BlockingReads(new PausedConnection(() => {}).platform);
      reads.mayBlock = mayBlock;
      assert.equal(reads.isStuck(...args), expected);
    });
  }
});
