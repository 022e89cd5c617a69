/** What follows from the exit of one worker, as a table. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { afterWorkerExit, mostTelling } from "../../../../src/generation/workers/worker_exit.ts";

type Circumstances = Parameters<typeof afterWorkerExit>[0];

/** A worker that dies while two others serve. */
const base: Circumstances = { isEnding: false, wasStopped: false, others: 2, isWanted: true };

describe("afterWorkerExit()", () => {
  const table: [what: string, Partial<Circumstances>, ReturnType<typeof afterWorkerExit>][] = [
    ["it dies beside others", {}, "report"],
    ["it is the last", { others: 0 }, "generation exited"],
    ["it was unhealthy, and has drained", { wasStopped: true }, "replace"],
    ["fewer are wanted", { wasStopped: true, isWanted: false }, "retire"],
    ["it dies before it is told that fewer are wanted", { isWanted: false }, "retire"],
    ["the generation ends", { isEnding: true }, "wait"],
    ["the generation ends while it drains alone", { isEnding: true, wasStopped: true }, "wait"],
    [
      "it is the last of a generation that ends",
      { isEnding: true, others: 0 },
      "generation exited",
    ],
    ["the others have died while it drained", { wasStopped: true, others: 0 }, "generation exited"],
  ];
  for (const [what, change, decision] of table) {
    test(`${what}: ${decision}`, () => {
      assert.equal(afterWorkerExit({ ...base, ...change }), decision);
    });
  }
});

test("mostTelling() is a failure, if there is one, and not the end of those that were asked to", () => {
  const asked = (text: string) => ({ status: 0, asRequested: true, text });
  const crash = { status: 139, asRequested: false, text: "crash" };
  assert.equal(mostTelling([asked("a"), crash, asked("b")]).text, "crash");
  assert.equal(mostTelling([asked("a"), asked("b")]).text, "b");
});
