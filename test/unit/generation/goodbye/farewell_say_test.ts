/** The beginning of a drain: who is asked, when the wait begins, and how long a connection must be silent then. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Farewell, type GoodbyeSayer } from "../../../../src/generation/goodbye/farewell.ts";

import { FakeClock } from "../../../support/fake_clock.ts";

const QUIET_MS = 500;

/** One whose calls end when the test says so. */
class Sayer implements GoodbyeSayer {
  ends: ((hasWorked: boolean) => void)[] = [];
  cuts = 0;

  constructor(readonly hasCalls = true) {}

  say(onEnd: (hasWorked: boolean) => void) {
    if (!this.hasCalls) return null;
    this.ends.push(onEnd);
    return { cutShort: () => this.cuts++ };
  }

  takeBack(): void {}

  streams(): null {
    return null;
  }
}

function farewell(...sayers: readonly Sayer[]) {
  const subject = new Farewell(new FakeClock());
  const begun: string[] = [];
  subject.say(sayers.map((goodbye) => ({ goodbye })), () => begun.push("begun"));
  return { subject, begun };
}

describe("Farewell", () => {
  test("begins the wait at once where there is nothing to say", () => {
    for (const sayers of [[], [new Sayer(false)]]) {
      const { subject, begun } = farewell(...sayers);
      assert.deepEqual(begun, ["begun"]);
      assert.equal(subject.quietMs(QUIET_MS), QUIET_MS);
    }
  });

  const outcomes: [name: string, worked: boolean[], quietMs: number][] = [
    ["all have worked", [true, true], 2_000],
    ["one has worked", [false, true], 2_000],
    ["none has worked", [false, false], QUIET_MS],
  ];
  for (const [name, worked, quietMs] of outcomes) {
    test(`begins it with the last answer: ${name}`, () => {
      const sayers = worked.map(() => new Sayer());
      const { subject, begun } = farewell(...sayers, new Sayer(false));
      for (const [index, hasWorked] of worked.entries()) {
        assert.deepEqual(begun, []);
        sayers[index]!.ends[0]!(hasWorked);
      }
      assert.deepEqual(begun, ["begun"]);
      assert.equal(subject.quietMs(QUIET_MS), quietMs);
      assert.equal(subject.quietMs(QUIET_MS, true), QUIET_MS, "at a stop, or while clients wait");
      assert.equal(subject.quietMs(60_000), 60_000, "a longer --quiet counts");
    });
  }

  test("begins it when a signal is next, and asks no more", () => {
    const sayer = new Sayer();
    const { subject, begun } = farewell(sayer);
    subject.cutShort();
    assert.deepEqual([begun, sayer.cuts], [["begun"], 1]);
    subject.cutShort();
    sayer.ends[0]!(true);
    assert.deepEqual([begun, sayer.cuts], [["begun"], 1], "once");
  });

  test("does not begin it when it is cancelled: it serves again", () => {
    const sayer = new Sayer();
    const { subject, begun } = farewell(sayer);
    subject.cancel();
    assert.deepEqual([begun, sayer.cuts], [[], 1]);
  });

  test("forgets an earlier one: it drains for the second time", () => {
    const sayer = new Sayer();
    const { subject } = farewell(sayer);
    sayer.ends[0]!(true);
    subject.say([{ goodbye: new Sayer(false) }], () => {});
    assert.equal(subject.quietMs(QUIET_MS), QUIET_MS);
  });
});
