/** What is said of a server that ends because its path exists. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { existingPathAdvice } from "../../../../src/handoff/unix/path_advice.ts";

const PATHS = ["/run/a/x.sock"];

const CASES: [line: string, isAdvised: boolean][] = [
  ['socat[1] E "/run/a/x.sock" exists', true],
  ["/run/a/x.sock is already in use", true],
  ["/run/b/x.sock exists", false],
  ["/run/a/x.sock: permission denied", false],
  ["database exists", false],
];

describe("advice for a candidate that ended and printed", () => {
  for (const [line, isAdvised] of CASES) {
    test(line, () => {
      const advice = existingPathAdvice(PATHS, ["starting", line]);
      assert.equal(advice !== null, isAdvised);
      if (isAdvised) assert.match(`${advice}`, /\/run\/a\/x\.sock/);
    });
  }
});
