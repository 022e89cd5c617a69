/** What can be said of a connection to a Unix socket from outside, and what becomes of the drain. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { judgeUnix, STOP_PATIENCE_MS } from "../../../../src/drain/unix/unix_judgement.ts";

const OPEN = { receiveQueue: 0, sendQueue: 0, peer: 7 };

describe("judgeUnix()", () => {
  const cases: [
    title: string,
    socket: Partial<typeof OPEN> | { peer: null },
    activity: string,
    blocks: boolean,
  ][] = [
    ["a request that was not read is owed an answer", { receiveQueue: 1 }, "busy", true],
    ["also of a client that has gone since", { receiveQueue: 1, peer: 0 }, "busy", true],
    ["an answer that the client has not read", { sendQueue: 1 }, "busy", true],
    ["empty queues say nothing: it is waited for", {}, "undecided", true],
    ["also where the kernel shows no peers", { peer: null }, "undecided", true],
    ["the client has gone: no answer can reach it", { peer: 0 }, "closing", false],
    ["nor what was sent to it before", { peer: 0, sendQueue: 1 }, "closing", false],
  ];
  for (const [title, socket, activity, blocksDrain] of cases) {
    test(title, () => {
      assert.deepEqual(judgeUnix({ ...OPEN, ...socket }, 3_600_000, Infinity), {
        activity,
        blocksDrain,
      });
    });
  }

  test("at the end of the service a client that keeps its connection is not waited for", () => {
    assert.equal(judgeUnix(OPEN, STOP_PATIENCE_MS - 1, STOP_PATIENCE_MS).blocksDrain, true);
    assert.equal(judgeUnix(OPEN, STOP_PATIENCE_MS, STOP_PATIENCE_MS).blocksDrain, false);
    assert.equal(
      judgeUnix({ ...OPEN, receiveQueue: 1 }, STOP_PATIENCE_MS, STOP_PATIENCE_MS).blocksDrain,
      true,
    );
  });
});
