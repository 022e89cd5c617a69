/** What the next baton finds of trapped calls: all that have no answer yet, those that wait for one too. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Journal } from "../../../../src/succession/state/journal.ts";

function journal(): Journal {
  return new Journal({
    stateWriter: () => null,
    pack: () => assert.fail("there is nobody to keep it"),
    logger: null as never,
  });
}

const call = (id: bigint) => ({ id, tid: 7, call: 50, args: [3n, 128n] });

describe("Journal.during()", () => {
  const listed = ({ calls }: Journal) => calls.map(({ id }) => id);

  test("lists a call until it is answered, which may take more than one time", () => {
    const written = journal();
    const outcomes = ["postponed", "postponed", "answered"] as const;
    for (const outcome of outcomes) {
      written.during({ epoch: 0, worker: 0 }, call(1n), () => {
        assert.deepEqual(listed(written), ["1"]);
        return outcome;
      });
      assert.deepEqual(listed(written), outcome === "answered" ? [] : ["1"]);
    }
  });

  test("does not list what was let go on when something went wrong", () => {
    const written = journal();
    assert.throws(() =>
      written.during({ epoch: 0, worker: 0 }, call(1n), () => {
        throw new Error("it was let through");
      })
    );
    assert.deepEqual(listed(written), []);
  });

  test("forget() ends the waits of one generation", () => {
    const written = journal();
    written.during({ epoch: 0, worker: 0 }, call(1n), () => "postponed");
    written.during({ epoch: 1, worker: 0 }, call(2n), () => "postponed");
    written.forgetCallsOf({ epoch: 0, worker: 0 });
    assert.deepEqual(listed(written), ["2"]);
  });
});
