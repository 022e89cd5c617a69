/** How a failed command is described, in one line. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type CommandEnd, describeFailure } from "../../../src/hooks/command.ts";

const CASES: [string, CommandEnd, string][] = [
  [
    "nginx -t",
    { kind: "exited", status: { kind: "exited", code: 1 } },
    'x "nginx -t" failed: exit status 1',
  ],
  [
    "a",
    { kind: "exited", status: { kind: "signalled", signal: 9 } },
    'x "a" failed: killed by SIGKILL',
  ],
  ["a", { kind: "timed_out" }, 'x "a" failed: not over within 1.5s (--hook-timeout)'],
  ["a", { kind: "not_started", message: "no directory" }, 'x "a" failed: no directory'],
  ["a", { kind: "killed" }, 'x "a" failed: it was killed'],
  [" set -e\n  a\n\n  b ", { kind: "killed" }, 'x "set -e; a; b" failed: it was killed'],
  ["y".repeat(200), { kind: "killed" }, `x "${"y".repeat(97)}..." failed: it was killed`],
];

describe("describeFailure()", () => {
  for (const [command, end, text] of CASES) {
    it(text, () => assert.equal(describeFailure("x", command, end, 1_500), text));
  }
});
