/** Which stop signals are one wish, and which are several. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { StopSignal } from "../../../../src/config/values/signals.ts";
import { type SignalOrigin, StopRequests } from "../../../../src/cli/service/stop_requests.ts";
import { TEST_TIMEOUT_MS } from "../../../support/limits.ts";

/** "INT@0": a signal and its time; "tty" or "else" in front of it: where it comes from. */
type Row = readonly [what: string, arrivals: string, wishes: number, hasManager?: "manager"];

const ROWS: readonly Row[] = [
  ["one INT", "INT@0", 1],
  ["one TERM", "TERM@0", 1],
  ["foreman: INT, then TERM", "INT@0 TERM@330", 1, "manager"],
  ["the same on a busy machine", "INT@0 TERM@1900", 1, "manager"],
  ["the same, and no manager can be seen", "INT@0 TERM@600", 1],
  ["TERM, then INT", "TERM@0 INT@600", 1],
  ["a TERM that comes late", "INT@0 TERM@2100", 2],
  ["Ctrl-C twice under foreman", "INT@0 TERM@330 INT@800 TERM@1130", 2, "manager"],
  ["three times", "INT@0 TERM@330 INT@800 TERM@1130 INT@1500 TERM@1830", 3, "manager"],
  ["a second TERM after the echo", "INT@0 TERM@330 TERM@900", 2, "manager"],
  ["Ctrl-C twice", "INT@0 INT@150", 2],
  ["Ctrl-C twice, and the terminal is known to send it", "ttyINT@0 ttyINT@150", 2, "manager"],
  ["Ctrl-C twice, slowly", "INT@0 INT@1900", 2, "manager"],
  ["a key that is held down", "INT@0 INT@33 INT@66 INT@99 INT@132", 1],
  ["Ctrl-C three times", "INT@0 INT@200 INT@400", 3],
  ["timeout: INT twice in one moment", "INT@0 INT@0", 1, "manager"],
  ["concurrently, nodemon: INT from them too", "INT@0 INT@150", 1, "manager"],
  ["concurrently, Ctrl-C twice", "INT@0 INT@150 INT@300 INT@450", 2, "manager"],
  ["INT, and INT long after", "INT@0 INT@1100", 2, "manager"],
  ["INT from a manager, late, and the first one known", "ttyINT@0 INT@1500", 1, "manager"],
  ["the same, and then a person again", "ttyINT@0 INT@300 ttyINT@600 INT@900", 2, "manager"],
  ["TERM twice", "TERM@0 TERM@5", 2],
  ["TERM twice from a manager's script", "TERM@0 TERM@500", 2, "manager"],
  ["TERM three times", "TERM@0 TERM@5 TERM@10", 3],
  ["QUIT after INT", "INT@0 QUIT@300", 2],
  ["QUIT twice", "QUIT@0 QUIT@10", 2],
  ["TERM after QUIT", "QUIT@0 TERM@300", 2, "manager"],
  ["somebody elsewhere sends TERM after a Ctrl-C", "ttyINT@0 elseTERM@300", 2],
  ["somebody elsewhere sends INT twice", "elseINT@0 elseINT@10", 2],
];

function arrivalOf(text: string, hasManager: boolean) {
  const [, origin, name, atMs] = /^(tty|else)?([A-Z]+)@(\d+)$/.exec(text) ?? [];
  const origins: Record<string, SignalOrigin> = { tty: "terminal", else: "elsewhere" };
  return {
    signal: `SIG${name}` as StopSignal,
    origin: origins[origin ?? ""] ?? "unknown",
    atMs: Number(atMs),
    hasManager,
  };
}

describe("StopWishes", () => {
  for (const [what, arrivals, wishes, manager] of ROWS) {
    test(`${what}: ${arrivals}`, { timeout: TEST_TIMEOUT_MS }, () => {
      const counted = new StopRequests();
      const all = arrivals.split(" ").map((text) => arrivalOf(text, manager !== undefined));
      assert.equal(all.filter((arrival) => counted.isNew(arrival)).length, wishes);
    });
  }
});
