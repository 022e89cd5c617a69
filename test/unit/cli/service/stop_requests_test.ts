/** Which stop signals are one request, and which are several. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { StopSignal } from "../../../../src/config/values/signals.ts";
import {
  imageStopSignals,
  type SignalUses,
  StopRequests,
} from "../../../../src/cli/service/stop_requests.ts";
import { TEST_TIMEOUT_MS } from "../../../support/limits.ts";

/** "INT@0": a signal and its time. */
type Row = readonly [what: string, arrivals: string, requests: number, hasManager?: "manager"];

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
  ["Ctrl-C twice, slowly", "INT@0 INT@1900", 2, "manager"],
  ["a key that is held down", "INT@0 INT@33 INT@66 INT@99 INT@132", 1],
  ["Ctrl-C three times", "INT@0 INT@200 INT@400", 3],
  ["timeout: INT twice in one moment", "INT@0 INT@0", 1, "manager"],
  ["concurrently, nodemon: INT from them too", "INT@0 INT@150", 1, "manager"],
  ["concurrently, Ctrl-C twice", "INT@0 INT@150 INT@300 INT@450", 2, "manager"],
  ["INT, and INT long after", "INT@0 INT@1100", 2, "manager"],
  ["TERM twice", "TERM@0 TERM@5", 2],
  ["TERM twice from a manager's script", "TERM@0 TERM@500", 2, "manager"],
  ["TERM three times", "TERM@0 TERM@5 TERM@10", 3],
  ["QUIT after INT", "INT@0 QUIT@300", 2],
  ["QUIT twice", "QUIT@0 QUIT@10", 2],
  ["TERM after QUIT", "QUIT@0 TERM@300", 2, "manager"],
];

function arrivalOf(text: string, hasManager: boolean) {
  const [name, atMs] = text.split("@");
  return { signal: `SIG${name}` as StopSignal, atMs: Number(atMs), hasManager };
}

describe("StopRequests", () => {
  for (const [what, arrivals, requests, manager] of ROWS) {
    test(`${what}: ${arrivals}`, { timeout: TEST_TIMEOUT_MS }, () => {
      const counted = new StopRequests();
      const all = arrivals.split(" ").map((text) => arrivalOf(text, manager !== undefined));
      assert.equal(all.filter((arrival) => counted.isNew(arrival)).length, requests);
    });
  }
});

const UNUSED: SignalUses = {
  logFile: null,
  forwards: { usr1: false, winch: false },
  hasTerminal: false,
};
const ALL = ["SIGRTMIN+3", "SIGUSR1", "SIGWINCH"];

/** Which signals stop baton as process 1 because they can mean nothing else there. */
describe("imageStopSignals()", () => {
  const cases: [what: string, pid: number, uses: Partial<SignalUses>, expected: string[]][] = [
    ["no other use", 1, {}, ALL],
    ["not process 1", 2, {}, []],
    ["USR1 reopens a log", 1, { logFile: "/log" }, ["SIGRTMIN+3", "SIGWINCH"]],
    ["the server gets USR1", 1, { forwards: { usr1: true, winch: false } }, [
      "SIGRTMIN+3",
      "SIGWINCH",
    ]],
    ["a terminal sends WINCH", 1, { hasTerminal: true }, ["SIGRTMIN+3", "SIGUSR1"]],
    ["the server gets both", 1, { forwards: { usr1: true, winch: true } }, ["SIGRTMIN+3"]],
  ];
  for (const [what, pid, uses, expected] of cases) {
    test(what, () => assert.deepEqual(imageStopSignals(pid, { ...UNUSED, ...uses }), expected));
  }
});
