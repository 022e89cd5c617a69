/** Busy, idle or closing, as seen from outside the server: every branch, and the ties between them. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  type Activity,
  AMBIGUOUS_QUIET_MS,
  classify,
  GREETING_MS,
  judge,
} from "../../../src/drain/classify.ts";
import { NO_CONNECTIONS, takeCensus, Tracks } from "../../../src/drain/connections.ts";
import { follow } from "../../../src/drain/track.ts";
import { C } from "../../../src/platform/libc/constants.ts";
import type { TcpSocket, TcpTraffic } from "../../../src/platform/network/sock_diag.ts";
import { TEST_TIMEOUT_MS } from "../../support/limits.ts";

const QUIET_MS = 1_000;
const ANY = { family: "inet", host: "127.0.0.1", port: 80, scope: 0 } as const;

/** Has answered once; the last bytes that moved were the answer's, a minute ago. */
const ANSWERED: TcpTraffic = {
  sinceSentMs: 60_000,
  sinceReceivedMs: 60_010,
  sinceAckMs: 59_999,
  bytesAcked: 500,
  bytesReceived: 100,
};

interface Look extends Partial<TcpTraffic> {
  readonly state?: number;
  readonly receiveQueue?: number;
  readonly sendQueue?: number;
  readonly inode?: number;
}

function socket(look: Look): TcpSocket {
  const { state = C.TCP_ESTABLISHED, receiveQueue = 0, sendQueue = 0, inode = 1, ...traffic } =
    look;
  return {
    state,
    receiveQueue,
    sendQueue,
    inode,
    local: ANY,
    remote: ANY,
    uid: 0,
    boundInterface: 0,
    traffic: { ...ANSWERED, ...traffic },
  };
}

const at = (sentMs: number, receivedMs: number, ackMs = Math.min(sentMs, receivedMs)) => ({
  sinceSentMs: sentMs,
  sinceReceivedMs: receivedMs,
  sinceAckMs: ackMs,
});

describe("classify()", () => {
  const cases: [string, Look, Activity][] = [
    ["answered long ago", {}, "idle"],
    ["half-closed by the client, answered long ago", { state: C.TCP_CLOSE_WAIT }, "idle"],
    ["half-closed by the client, answer owed", {
      state: C.TCP_CLOSE_WAIT,
      ...at(60_000, 50_000),
    }, "busy"],
    ["unread bytes", { receiveQueue: 1 }, "busy"],
    ["unacknowledged bytes", { sendQueue: 1 }, "busy"],

    ["nothing ever came in, opened just now", { bytesReceived: 0, ...at(5, 5) }, "busy"],
    ["nothing ever came in, quiet", { bytesReceived: 0, ...at(QUIET_MS, QUIET_MS) }, "idle"],
    ["nothing ever moved: the server may speak first", {
      bytesReceived: 0,
      bytesAcked: 0,
      ...at(GREETING_MS - 1, GREETING_MS - 1),
    }, "busy"],
    ["nothing ever moved, and for long", {
      bytesReceived: 0,
      bytesAcked: 0,
      ...at(GREETING_MS, GREETING_MS),
    }, "idle"],
    ["a server that speaks first, and speaks now", {
      bytesReceived: 0,
      ...at(10, 60_000),
    }, "busy"],
    ["a server that spoke first, long ago", {
      bytesReceived: 0,
      bytesAcked: 80,
      ...at(5_000, 60_000),
    }, "idle"],

    ["a first request that is not answered yet", {
      bytesAcked: 0,
      ...at(60_000, 30_000),
    }, "busy"],
    ["a first request that is never answered, for hours", {
      bytesAcked: 0,
      ...at(7_200_000, 7_100_000),
    }, "busy"],
    ["a first request in the tick of the handshake, not answered", {
      bytesAcked: 0,
      ...at(60_000, 60_000, 59_996),
    }, "busy"],

    ["a later request that is not answered yet", at(60_000, 59_000), "busy"],
    ["a later request, one tick after the last answer", at(60_004, 60_000), "busy"],
    ["an answer that is just out", at(0, 4), "busy"],
    ["an answer, one tick before quiet", at(QUIET_MS - 4, QUIET_MS + 4), "busy"],
    ["an answer, quiet for exactly long enough", at(QUIET_MS, QUIET_MS + 4), "idle"],

    ["request and answer in one tick, acknowledged later", at(1_000, 1_000, 996), "idle"],
    ["request and answer in one tick, acknowledged later, not quiet", at(900, 900, 896), "busy"],
    ["request and answer in one tick, acknowledged in it", at(1_000, 1_000), "busy"],
    ["the same, just before the limit", at(AMBIGUOUS_QUIET_MS - 1, 9_999), "busy"],
    ["the same, after that", at(AMBIGUOUS_QUIET_MS, AMBIGUOUS_QUIET_MS), "idle"],
  ];
  for (const [name, look, expected] of cases) {
    test(`${name}: ${expected}`, { timeout: TEST_TIMEOUT_MS }, () => {
      assert.equal(classify(socket(look), QUIET_MS), expected);
    });
  }

  for (let state = 1; state <= 12; state++) {
    const expected = state === C.TCP_ESTABLISHED || state === C.TCP_CLOSE_WAIT ? "busy" : "closing";
    test(`state ${state} with unread bytes is ${expected}`, { timeout: TEST_TIMEOUT_MS }, () => {
      assert.equal(classify(socket({ state, receiveQueue: 9 }), QUIET_MS), expected);
    });
  }

  test("without counters of the kernel a connection is busy", { timeout: TEST_TIMEOUT_MS }, () => {
    assert.equal(classify({ ...socket({}), traffic: null }, QUIET_MS), "busy");
  });

  test("with --quiet 0 it is idle as soon as it is answered", { timeout: TEST_TIMEOUT_MS }, () => {
    assert.equal(classify(socket(at(0, 4)), 0), "idle");
    assert.equal(classify(socket(at(4, 0)), 0), "busy");
  });
});

describe("judge() with an earlier sample, when the last send and receive fall into one tick", () => {
  const tie = { ...at(2_000, 2_000), bytesAcked: 500, bytesReceived: 100 };
  const answered = { bytesAcked: 400, bytesReceived: 100 };
  const cases: [string, typeof answered, Partial<typeof tie>, boolean][] = [
    ["an answer went out since, and nothing came in", answered, {}, false],
    ["nothing has moved since", { bytesAcked: 500, bytesReceived: 100 }, {}, true],
    [
      "a request came in since, and was answered",
      { bytesAcked: 400, bytesReceived: 50 },
      {},
      true,
    ],
    ["a request came in since", { bytesAcked: 500, bytesReceived: 50 }, {}, true],
    ["a connection that is not quiet", answered, at(999, 999), true],
    ["an order that is known", answered, at(2_004, 2_000), true],
  ];
  for (const [name, earlier, look, blocks] of cases) {
    test(`${name}: ${blocks ? "blocks the drain" : "does not"}`, () => {
      const first = follow(null, socket({ ...tie, ...earlier }), 0);
      const latest = socket({ ...tie, ...look });
      const track = follow(first, latest, 1_000);
      assert.equal(judge(latest, QUIET_MS, track).blocksDrain, blocks);
    });
  }
});

describe("takeCensus()", () => {
  const busy = socket({ inode: 1, receiveQueue: 5 });
  const idle = socket({ inode: 2 });
  const closing = socket({ inode: 3, state: C.TCP_LAST_ACK });
  const lately = socket({ inode: 4, ...at(2_000, 2_010, 1_999) });

  test("counts each kind, without those that are closing", {
    timeout: TEST_TIMEOUT_MS,
  }, () => {
    const census = takeCensus([busy, idle, closing, lately], QUIET_MS);
    assert.deepEqual(census.counts, { total: 3, busy: 1, idle: 1, undecided: 1 });
    assert.deepEqual([...census.busy, ...census.undecided, ...census.blocking], [1, 4, 1]);
    assert.deepEqual(takeCensus([], QUIET_MS).counts, NO_CONNECTIONS);
  });

  test("uses earlier samples, and drops connections that are gone", {
    timeout: TEST_TIMEOUT_MS,
  }, () => {
    const tracks = new Tracks();
    const first = socket({ inode: 7, ...at(2_000, 2_000), bytesAcked: 400, bytesReceived: 100 });
    tracks.note([first], 0);
    assert.deepEqual([...takeCensus([first], QUIET_MS, tracks).blocking], [7], "in one tick");
    const answered = socket({ inode: 7, ...at(2_000, 2_000), bytesAcked: 500, bytesReceived: 100 });
    tracks.note([answered], 1_000);
    assert.equal(takeCensus([answered], QUIET_MS, tracks).blocking.size, 0);
    tracks.note([{ ...socket({ inode: 8 }), traffic: null }], 2_000);
    assert.deepEqual([tracks.get(7), tracks.get(8)], [null, null], "nothing to remember");
  });
});
