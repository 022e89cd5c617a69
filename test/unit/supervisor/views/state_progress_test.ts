/** How far a generation is in its state. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type Generation, newGeneration } from "../../../../src/lifecycle/generation.ts";
import { NO_PROGRESS, type StateProgress } from "../../../../src/report/state_progress.ts";
import { Timelines } from "../../../../src/report/timelines.ts";
import type { SupervisorParts } from "../../../../src/supervisor/parts.ts";
import { progressOf } from "../../../../src/supervisor/views/state_progress.ts";
import { FakeClock } from "../../../support/fake_clock.ts";

/** At which time, on the clock of the test, which timer fires. */
type Timers = Readonly<Record<string, number>>;

describe("progressOf()", () => {
  const cases: readonly [
    what: string,
    state: Generation["state"],
    timers: Timers,
    seen: number | null,
    progress: Partial<StateProgress>,
  ][] = [
    ["serving has no limit", "serving", { health: 9_000 }, 0, {}],
    ["a start has that of the gate", "starting", { ready: 61_000 }, 0, { leftMs: 60_000 }],
    ["and so has the gate", "probing", { ready: 61_000 }, 0, { leftMs: 60_000 }],
    ["a bake has its own", "baking", { bake: 4_000 }, 0, { leftMs: 3_000 }],
    ["a ramp has none", "baking", {}, 0, {}],
    ["a drain counts down", "draining", { drain: 11_000 }, 40, {
      leftMs: 10_000,
      drain: { first: 40, left: 12 },
    }],
    ["those that came from the queue are among the first", "draining", {}, 5, {
      drain: { first: 12, left: 12 },
    }],
    ["where another baton has the connections, they are not counted", "draining", {}, null, {}],
    ["a stop has that of KILL", "stopping", { drain: 2_000, stop: 31_000 }, 12, {
      leftMs: 30_000,
      drain: { first: 12, left: 12 },
    }],
    ["a limit that is over is 0", "stopping", { stop: 500 }, null, { leftMs: 0 }],
  ];
  for (const [what, state, timers, seen, progress] of cases) {
    it(what, async () => {
      const clock = new FakeClock();
      const timelines = new Timelines();
      timelines.enter(3, state, 600);
      const handle = {
        timers: { dueAtMs: (name: string) => timers[name] ?? null },
        losses: { seen },
      };
      const parts = {
        running: new Map([[3, handle]]),
        history: { timelines },
        context: { platform: { clock } },
      } as unknown as SupervisorParts;
      await clock.advance(1_000);
      const found = progressOf(parts, newGeneration(3, { state }), 12);
      assert.deepEqual(found, { ...NO_PROGRESS, stateMs: 400, ...progress });
    });
  }
});
