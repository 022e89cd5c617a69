/** Long-lived connections are closed evenly over the last part of a drain, and only while they are at rest. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { ConnectionCloser, SocketSample } from "../../../src/drain/connection_closer.ts";
import { dueNow, SpreadClose } from "../../../src/drain/spread_close.ts";
import type { Track } from "../../../src/drain/track.ts";

/** Times at which each of `count` is closed, with a step every `stepMs`. */
function closings(count: number, toMs: number, stepMs: number): number[] {
  const times: number[] = [];
  let sinceMs = 0;
  for (let atMs = stepMs; times.length < count && atMs <= toMs; atMs += stepMs) {
    const calledAtMs = atMs - stepMs;
    const step = dueNow(count - times.length, { sinceMs, calledAtMs, atMs, toMs });
    for (let i = 0; i < step.due; i++) times.push(atMs);
    sinceMs += step.due * step.stepMs;
  }
  return times;
}

describe("dueNow()", () => {
  it("closes one after the other, and the last one before the end", () => {
    const times = closings(4, 5_000, 40);
    assert.equal(times.length, 4);
    times.forEach((at, i) => assert.ok(Math.abs(at - (i + 1) * 1_000) <= 40, `${times}`));
  });

  it("closes many at each call, always about as many", () => {
    const times = closings(9_000, 10_000, 40);
    assert.equal(times.length, 9_000);
    const perSecond = Array.from(
      { length: 10 },
      (_, second) => times.filter((at) => at > second * 1_000 && at <= (second + 1) * 1_000).length,
    );
    assert.ok(perSecond.every((n) => n > 800 && n < 1_000), `${perSecond}`);
  });

  it("does not catch up with those that could not be closed when they were due", () => {
    const times = { sinceMs: 0, calledAtMs: 760, atMs: 800, toMs: 1_000 };
    assert.equal(dueNow(4, times).due, 1);
    assert.equal(dueNow(4, { ...times, calledAtMs: 0 }).due, 4);
  });

  it("closes all when the time is over", () => {
    assert.equal(dueNow(7, { sinceMs: 90, calledAtMs: 90, atMs: 100, toMs: 100 }).due, 7);
  });
});

describe("SpreadClose", () => {
  const STEP_MS = 40;
  const DRAIN = { beganAtMs: 0, endsAtMs: 10_000, spreadMs: 5_000 };
  /** A stream that has sent for longer than the drain. */
  const STREAM = {
    isOwed: false,
    allPushes: 10,
    largestAsked: 0,
    receivedAtMs: -20_000,
    bornAtMs: -20_000,
  } as Track;
  const REQUEST = { ...STREAM, allPushes: 0 };

  /** Calls it for the whole drain. @returns when each connection was closed */
  function play(
    tracks: ReadonlyMap<number, Track>,
    isAtRest: (inode: number, atMs: number) => boolean = () => true,
    drain = DRAIN,
  ): Map<number, number> {
    const times = new Map<number, number>();
    let atMs = 0;
    const closer = {
      closeIf: (
        inodes: readonly number[],
        mayClose: (inode: number, at: SocketSample) => boolean,
      ) =>
        inodes.filter((inode) =>
          mayClose(inode, {
            receiveQueue: isAtRest(inode, atMs) ? 0 : 1,
            traffic: { sinceReceivedMs: 100, sinceSentMs: 50 },
          } as SocketSample)
        ),
    } as unknown as ConnectionCloser;
    const spread = new SpreadClose(closer);
    for (; atMs <= drain.endsAtMs; atMs += STEP_MS) {
      const open = [...tracks.keys()].filter((inode) => !times.has(inode));
      const { closed } = spread.closeDue(
        open,
        { get: (inode) => tracks.get(inode) ?? null },
        atMs,
        drain,
      );
      for (const inode of closed) times.set(inode, atMs);
    }
    return times;
  }

  const streams = (count: number, track: Track = STREAM) =>
    new Map(Array.from({ length: count }, (_, i) => [i, track] as const));
  const cases: [string, Map<number, number>, number[]][] = [
    ["one of them in the middle", play(streams(1)), [7_520]],
    ["four of them evenly", play(streams(4)), [6_000, 7_000, 8_000, 9_000]],
    ["no requests", play(streams(4, REQUEST)), []],
    ["none outside the spread", play(streams(4), undefined, { ...DRAIN, spreadMs: 0 }), [
      10_000,
      10_000,
      10_000,
      10_000,
    ]],
    [
      "one with a message in its queue later",
      play(streams(4), (inode, atMs) => inode > 0 || atMs > 7_500),
      [6_000, 7_000, 8_000, 9_000],
    ],
  ];
  for (const [name, times, expected] of cases) {
    it(`closes ${name}`, () => {
      const found = [...times.values()].sort((a, b) => a - b);
      assert.equal(found.length, expected.length);
      found.forEach((atMs, i) => assert.ok(Math.abs(atMs - expected[i]!) <= STEP_MS, `${found}`));
    });
  }

  it("closes each once it is at rest", () => {
    const times = play(streams(4), (inode, atMs) => inode > 0 || atMs > 7_500);
    assert.ok((times.get(0) ?? 0) > 7_500);
  });
});
