/** How long a drain waits for streams that only the server knows of. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Farewell, type GoodbyeSayer } from "../../../../src/generation/goodbye/farewell.ts";
import { FakeClock } from "../../../support/fake_clock.ts";

/** @param counts of each question, the last one for all that follow; null: it has none */
function scene(workers: readonly (readonly number[] | null)[], waits = true) {
  const clock = new FakeClock();
  const farewell = new Farewell(clock);
  const ends: boolean[] = [];
  let questions = 0;
  const sayers = workers.map((counts) => {
    let nth = 0;
    const streams = () => {
      if (counts === null) return null;
      questions++;
      return Promise.resolve(counts[Math.min(nth++, counts.length - 1)]!);
    };
    const goodbye: GoodbyeSayer = { say: () => null, takeBack: () => {}, streams };
    return { goodbye };
  });
  const then = (hasWaited: boolean) => void ends.push(hasWaited);
  const ask = () => farewell.askStreams(sayers, { waits, then });
  return { clock, farewell, sayers, ends, ask, asked: () => questions };
}

describe("Farewell.askStreams()", () => {
  it("is over at once where no worker has streams to tell of", () => {
    const { ask, ends } = scene([null, null]);
    ask();
    assert.deepEqual(ends, [false]);
  });

  it("asks once where there are none", async () => {
    const { clock, ask, ends, asked } = scene([[0], null]);
    ask();
    await clock.advance(10_000);
    assert.deepEqual([ends, asked()], [[false], 1]);
  });

  it("asks each second until none is left in any worker", async () => {
    const { clock, ask, farewell, ends } = scene([[2, 1, 0], [1, 0]]);
    ask();
    await clock.advance(0);
    assert.deepEqual([farewell.openStreams, ends], [3, []]);
    await clock.advance(1_000);
    assert.deepEqual([farewell.openStreams, ends], [1, []]);
    await clock.advance(1_000);
    assert.deepEqual([farewell.openStreams, ends], [0, [true]]);
  });

  it("does not wait where the stop signal is next anyway, and knows how many that cuts", async () => {
    const { clock, ask, farewell, ends } = scene([[2]], false);
    ask();
    await clock.advance(0);
    assert.deepEqual([farewell.openStreams, ends], [2, [false]]);
  });

  it("ends with the signal, and remembers the latest number", async () => {
    const { clock, ask, farewell, ends, asked } = scene([[2]]);
    ask();
    await clock.advance(0);
    farewell.cutShort();
    await clock.advance(10_000);
    assert.deepEqual([farewell.openStreams, ends, asked()], [2, [], 1]);
  });

  it("say() notes them before the drain begins, whose time may be over first", async () => {
    const { clock, farewell, sayers, ends } = scene([[3, 2]]);
    farewell.say(sayers, () => ends.push(false));
    assert.deepEqual(ends, [false]);
    await clock.advance(0);
    assert.equal(farewell.openStreams, 3);
    await clock.advance(1_000);
    assert.equal(farewell.openStreams, 2);
    farewell.cutShort();
    await clock.advance(10_000);
    assert.equal(farewell.openStreams, 2);
  });
});
