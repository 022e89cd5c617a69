/** How events come to a receiver outside. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { EventRecord } from "../../../../src/events/event.ts";
import { Delivery } from "../../../../src/events/receivers/delivery.ts";
import { nextTry, type Outcome } from "../../../../src/events/receivers/next_try.ts";
import { FakeClock } from "../../../support/fake_clock.ts";

const MOST_QUEUED = 200;
const DONE: Outcome = { kind: "done" };
const BUSY: Outcome = { kind: "retry", why: "busy" };

function record(id: number): EventRecord {
  return { id, time: "", event: "reload.failed", level: "error", name: "web", message: "" };
}

/** A receiver whose tries the test answers. */
function deliveryWith() {
  const clock = new FakeClock();
  const tries: { id: number; answer: (outcome: Outcome) => Promise<void>; cancelled: boolean }[] =
    [];
  const [warnings, done]: [string[], number[]] = [[], []];
  const delivery = new Delivery({
    clock,
    events: [],
    warn: (message) => warnings.push(message),
    onDone: (id) => done.push(id),
    receiver: {
      name: "webhook",
      attempt: ({ id }) => {
        const { promise: outcome, resolve } = Promise.withResolvers<Outcome>();
        const answer = async (given: Outcome) => {
          resolve(given);
          await clock.advance(0);
        };
        const made = { id, answer, cancelled: false };
        tries.push(made);
        return { outcome, cancel: () => void (made.cancelled = true) };
      },
    },
  });
  return { clock, tries, warnings, done, delivery };
}

describe("Delivery", () => {
  it("sends one after the other, in order", async () => {
    const { tries, done, delivery } = deliveryWith();
    for (const id of [1, 2, 3]) delivery.offer(record(id));
    assert.deepEqual(tries.map(({ id }) => id), [1]);
    await tries[0]!.answer(DONE);
    await tries[1]!.answer(DONE);
    assert.deepEqual([tries.map(({ id }) => id), done], [[1, 2, 3], [1, 2]]);
  });

  it("tries again later, and says so once", async () => {
    const { clock, tries, warnings, done, delivery } = deliveryWith();
    delivery.offer(record(1));
    await tries[0]!.answer(BUSY);
    await clock.advance(999);
    assert.equal(tries.length, 1);
    await clock.advance(1);
    await tries[1]!.answer(BUSY);
    await clock.advance(2_000);
    await tries[2]!.answer(DONE);
    assert.deepEqual(warnings, ["--webhook: reload.failed is not delivered yet: busy"]);
    assert.deepEqual([done, clock.pending], [[1], 0]);
  });

  it("goes on with the next one when one is refused", async () => {
    const { tries, warnings, done, delivery } = deliveryWith();
    for (const id of [1, 2]) delivery.offer(record(id));
    await tries[0]!.answer({ kind: "refused", why: "gone" });
    assert.deepEqual(tries.map(({ id }) => id), [1, 2]);
    assert.deepEqual(warnings, ["--webhook: reload.failed is not delivered: gone"]);
    assert.deepEqual(done, [1]);
  });

  it("keeps the newest for a receiver that is too slow, and counts the others", async () => {
    const { tries, warnings, delivery } = deliveryWith();
    const count = MOST_QUEUED + 10;
    for (let id = 1; id <= count; id++) delivery.offer(record(id));
    assert.equal(warnings.length, 1);
    for (let i = 0; i < MOST_QUEUED; i++) await tries[i]!.answer(DONE);
    assert.deepEqual([tries.length, tries[1]!.id, tries.at(-1)!.id], [MOST_QUEUED, 12, count]);
    assert.equal(warnings.at(-1), "--webhook: 10 events were dropped");
  });

  it("is finished when all is delivered, or after its time, and then tries nothing more", async () => {
    for (const inTime of [true, false]) {
      const { clock, tries, delivery, warnings } = deliveryWith();
      let finished = false;
      delivery.offer(record(1));
      delivery.finish(3_000, () => finished = true);
      assert.ok(!finished);
      if (inTime) await tries[0]!.answer(DONE);
      else await clock.advance(3_000);
      assert.ok(finished);
      assert.equal(tries[0]!.cancelled, !inTime);
      const lost = "--webhook: 1 event is not delivered: the service has ended";
      assert.deepEqual(warnings, inTime ? [] : [lost]);
      await tries[0]!.answer(BUSY);
      assert.deepEqual([tries.length, clock.pending], [1, 0]);
    }
  });

  it("rests when its try has ended, and continues with the next one", async () => {
    const { clock, tries, done, delivery } = deliveryWith();
    for (const id of [1, 2]) delivery.offer(record(id));
    let rests = 0;
    delivery.rest(1_000, () => rests++);
    delivery.offer(record(3));
    assert.deepEqual([rests, tries.length], [0, 1]);
    await tries[0]!.answer(DONE);
    delivery.rest(1_000, () => rests++);
    assert.deepEqual([rests, done, tries.length, clock.pending], [2, [1], 1, 0]);
    delivery.resume();
    assert.deepEqual(tries.map(({ id }) => id), [1, 2]);
    await tries[1]!.answer(DONE);
    assert.deepEqual(tries.map(({ id }) => id), [1, 2, 3]);
  });

  it("interrupts for a rest what takes too long, and then delivers that again", async () => {
    const { clock, tries, done, delivery } = deliveryWith();
    delivery.offer(record(1));
    let hasRested = false;
    delivery.rest(1_000, () => hasRested = true);
    await clock.advance(1_000);
    assert.deepEqual([hasRested, tries[0]!.cancelled], [false, true]);
    await tries[0]!.answer({ kind: "refused", why: "it was killed" });
    assert.deepEqual([hasRested, done], [true, []]);
    delivery.resume();
    assert.deepEqual(tries.map(({ id }) => id), [1, 1]);
    await tries[1]!.answer(DONE);
    assert.deepEqual([done, clock.pending], [[1], 0]);
  });

  it("waits for no next try while it rests", async () => {
    const { clock, tries, delivery } = deliveryWith();
    delivery.offer(record(1));
    await tries[0]!.answer(BUSY);
    let hasRested = false;
    delivery.rest(1_000, () => hasRested = true);
    assert.deepEqual([hasRested, clock.pending], [true, 0]);
    delivery.resume();
    assert.equal(tries.length, 2);
  });

  it("is finished at once when nothing waits", () => {
    let finished = false;
    deliveryWith().delivery.finish(3_000, () => finished = true);
    assert.ok(finished);
  });
});

describe("nextTry()", () => {
  const again = (afterMs: number) => ({ kind: "again", afterMs, why: "busy" });
  for (
    const [what, outcome, tries, spentMs, expected] of [
      ["a delivery", DONE, 1, 0, DONE],
      ["a refusal", { kind: "refused", why: "no" }, 1, 0, { kind: "given up", why: "no" }],
      ["a first failure", BUSY, 1, 0, again(1_000)],
      ["a fourth one", BUSY, 4, 10_000, again(8_000)],
      ["a long row of them", BUSY, 12, 100_000, again(30_000)],
      ["a wish of the receiver", { ...BUSY, afterMs: 45_000 }, 1, 0, again(45_000)],
      ["a wish that is shorter", { ...BUSY, afterMs: 10 }, 3, 0, again(4_000)],
      ["the end of the time", BUSY, 14, 290_000, { kind: "given up", why: "busy (14 tries)" }],
      ["a wish beyond it", { ...BUSY, afterMs: 400_000 }, 1, 0, {
        kind: "given up",
        why: "busy (1 try)",
      }],
    ] as const
  ) {
    it(`follows ${what}`, () => assert.deepEqual(nextTry(outcome, tries, spentMs), expected));
  }
});
