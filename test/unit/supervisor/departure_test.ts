import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { departure } from "../../../src/supervisor/departure.ts";
import type { Departure, DepartureCircumstances } from "../../../src/supervisor/departure.ts";
import { NO_FACTS } from "../../../src/upgrade/resume_state.ts";

const TERM = 15;
const ENDED = { kind: "exited", code: 0 } as const;
const base: DepartureCircumstances = {
  status: ENDED,
  lingering: 1,
  facts: NO_FACTS,
  stopSignal: TERM,
  serves: true,
};
const told = { ...NO_FACTS, stopSent: true };

describe("departure()", () => {
  const table: [what: string, change: Partial<DepartureCircumstances>, verdict: Departure][] = [
    ["nobody is left", { lingering: 0 }, "ended"],
    ["it ends with 0 and serves on", {}, "to_background"],
    ["it ends with 0 and never served", { serves: false }, "ended"],
    ["it crashes", { status: { kind: "exited", code: 1 } }, "ended"],
    ["nobody knows how it ended", { status: { kind: "unknown" } }, "ended"],
    ["it ends by itself after its signal", { facts: told }, "wait"],
    [
      "it dies of its signal",
      { facts: told, status: { kind: "signalled", signal: TERM } },
      "tell_others",
    ],
    [
      "it dies of its signal, and the others were told",
      { facts: { ...told, stopTold: true }, status: { kind: "signalled", signal: TERM } },
      "wait",
    ],
  ];
  for (const [what, change, verdict] of table) {
    test(`${what}: ${verdict}`, () => assert.equal(departure({ ...base, ...change }), verdict));
  }
});
