/** Which signals stop baton as process 1 because they can mean nothing else there. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  imageStopSignals,
  type SignalUses,
} from "../../../../src/cli/service/image_stop_signals.ts";

const UNUSED: SignalUses = {
  logFile: null,
  forwards: { usr1: false, winch: false },
  hasTerminal: false,
};
const ALL = ["SIGRTMIN+3", "SIGUSR1", "SIGWINCH"];

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
