import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { LearnedListeners } from "../../../../src/handoff/duplicates/learned.ts";

type Step =
  | readonly [number, number]
  | readonly [number, number, string]
  | { readonly begin: number; readonly at: readonly number[] | null }
  | { readonly pass: number }
  | { readonly end: number };

describe("LearnedListeners", () => {
  const cases: readonly [string, readonly Step[]][] = [
    ["the first generation is trapped", [{ begin: 0, at: null }]],
    ["the second is not", [[0, 7], { begin: 1, at: [7] }]],
    ["nor are those after it", [[0, 7], { begin: 1, at: [7] }, [1, 7], { begin: 2, at: [7] }]],
    ["one without a listener so far shows nothing", [{ begin: 0, at: null }, {
      begin: 1,
      at: null,
    }]],
    ["all descriptors are known", [[0, 7], [0, 9], { begin: 1, at: [7, 9] }]],
    ["one that must stay", [[0, 7], [0, 9, "epoll"], { begin: 1, at: null }]],
    ["one that must stay, later", [[0, 7], { begin: 1, at: [7] }, [1, 7, "epoll"], {
      begin: 2,
      at: null,
    }]],
    ["at a descriptor that was not known", [[0, 7], { begin: 1, at: [7] }, [1, 8], {
      begin: 2,
      at: null,
    }]],
    ["later ones of a generation under the trap are learned", [[0, 7], [0, 8], {
      begin: 1,
      at: [7, 8],
    }]],
    ["one that ends behind its gate raises no doubt", [[0, 7], { begin: 1, at: [7] }, { pass: 1 }, {
      end: 1,
    }, { begin: 2, at: [7] }]],
    ["after one that has failed comes one with the trap", [
      [0, 7],
      { begin: 1, at: [7] },
      {
        end: 1,
      },
      { begin: 2, at: null },
      [2, 7],
      { pass: 2 },
      { begin: 3, at: [7] },
    ]],
    ["which shows what was missed", [
      [0, 7],
      { begin: 1, at: [7] },
      { end: 1 },
      {
        begin: 2,
        at: null,
      },
      [2, 7, "another process"],
      { pass: 2 },
      { begin: 3, at: null },
    ]],
    ["one with the trap that fails raises no doubt", [
      [0, 7],
      { begin: 1, at: [7] },
      { end: 1 },
      {
        begin: 2,
        at: null,
      },
      { end: 2 },
      { begin: 3, at: [7] },
    ]],
    ["too many", [...Array.from({ length: 17 }, (_, i) => [0, i] as const), {
      begin: 1,
      at: null,
    }]],
  ];
  for (const [name, steps] of cases) {
    test(name, () => {
      const learned = new LearnedListeners();
      for (const step of steps) {
        if ("pass" in step) learned.pass(step.pass);
        else if ("end" in step) learned.forget(step.end);
        else if ("begin" in step) {
          assert.deepEqual(learned.begin(step.begin), step.at);
          assert.equal(learned.isReplacing(step.begin), step.at !== null);
        } else learned.note(step[0], step[1], step[2] ?? null);
      }
    });
  }

  test("says why not", () => {
    const learned = new LearnedListeners();
    assert.equal(learned.unsuited, null);
    learned.note(0, 7, "epoll");
    learned.note(0, 8, "another reason");
    assert.equal(learned.unsuited, "epoll");
  });
});
