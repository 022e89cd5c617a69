/** When the page asks, and what it does without an answer. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Feed, type FeedParts } from "../../../../src/admin/page/feed.ts";
import { FakeClock } from "../../../support/fake_clock.ts";

/** @param busy what a look finds; an error: there is no answer */
function feed(busy: () => boolean | Error) {
  const clock = new FakeClock();
  const looks: number[] = [];
  let opened = 0;
  let lost = 0;
  let stream: Parameters<FeedParts["open"]>[0] = { event: () => {}, refused: () => {} };
  const parts: FeedParts = {
    clock,
    look: () => {
      looks.push(clock.now());
      const found = busy();
      return found instanceof Error ? Promise.reject(found) : Promise.resolve(found);
    },
    open: (on) => {
      opened++;
      stream = on;
      return { close: () => {} };
    },
    lost: () => void lost++,
  };
  return {
    clock,
    looks,
    feed: new Feed(parts),
    stream: () => stream,
    counts: () => ({ opened, lost, pending: clock.pending }),
  };
}

describe("the feed of the page", () => {
  test("asks every second while something is under way, else every three", async () => {
    let isBusy = true;
    const { clock, looks, feed: it } = feed(() => isBusy);
    it.wake();
    await clock.advance(2_500);
    isBusy = false;
    await clock.advance(7_000);
    assert.deepEqual(looks, [0, 1_000, 2_000, 3_000, 6_000, 9_000]);
  });

  test("asks once for several events", async () => {
    const { clock, looks, feed: it, stream } = feed(() => false);
    it.wake();
    await clock.advance(500);
    for (let i = 0; i < 20; i++) stream().event();
    await clock.advance(1_000);
    assert.deepEqual(looks, [0, 650]);
  });

  test("an event during a look leads to another one", async () => {
    const { clock, looks, feed: it, stream } = feed(() => {
      if (looks.length === 1) stream().event();
      return false;
    });
    it.wake();
    await clock.advance(1_000);
    assert.deepEqual(looks, [0, 150]);
  });

  test("without an answer tries less and less often, and says so each time", async () => {
    const { clock, looks, feed: it, counts } = feed(() => new Error("gone"));
    it.wake();
    await clock.advance(40_000);
    assert.deepEqual(looks.slice(0, 6), [0, 500, 1_500, 3_500, 7_500, 15_500]);
    assert.equal(looks[6], 25_500);
    assert.equal(counts().lost, looks.length);
  });

  test("asks nothing while the page is hidden, and at once when it is seen again", async () => {
    const { clock, looks, feed: it, counts } = feed(() => true);
    it.wake();
    await clock.advance(500);
    it.sleep();
    await clock.advance(60_000);
    assert.deepEqual(looks, [0]);
    assert.equal(counts().pending, 0);
    it.wake();
    await clock.advance(100);
    assert.deepEqual(looks, [0, 60_500]);
    assert.equal(counts().opened, 2);
  });

  test("a stream that was refused is opened again later", async () => {
    const { clock, feed: it, stream, counts } = feed(() => false);
    it.wake();
    stream().refused();
    stream().refused();
    await clock.advance(4_900);
    assert.equal(counts().opened, 1);
    await clock.advance(200);
    assert.equal(counts().opened, 2);
  });
});
