/** How many requests are released at a time, by the time that a look at all connections takes. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { paceAfter } from "../../../src/migration/pace.ts";

describe("paceAfter()", () => {
  const cases: [string, [tookMs: number, connections: number], ReturnType<typeof paceAfter>][] = [
    ["all at once on a quiet machine", [99, 256], {
      isSlow: false,
      scanMs: 4,
      mostFollowed: 4,
      followedMs: 10,
    }],
    ["as many as can be looked at again in time", [320, 256], {
      isSlow: true,
      scanMs: 640,
      mostFollowed: 80,
      followedMs: 1_000,
    }],
    ["four at least", [5_000, 100], {
      isSlow: true,
      scanMs: 10_000,
      mostFollowed: 4,
      followedMs: 1_000,
    }],
  ];
  for (const [name, [tookMs, connections], expected] of cases) {
    test(name, () => assert.deepEqual(paceAfter(tookMs, connections), expected));
  }
});
