/** What the timers of a generation become, and when its time to get ready counts. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { AdmissionStep } from "../../../src/generation/admission.ts";
import type { RunningContext } from "../../../src/generation/context.ts";
import { RunningGeneration } from "../../../src/generation/generation.ts";
import type { ServiceEvent } from "../../../src/lifecycle/vocabulary.ts";
import { FakeClock } from "../../support/fake_clock.ts";
import { FakeListeners } from "../../support/fake_listeners.ts";

const READY_TIMEOUT_MS = 5_000;

/** A generation before its process is started; admission steps end when the test says so. */
function scene(hasSteps = false) {
  const clock = new FakeClock();
  const events: ServiceEvent[] = [];
  const state = { isAtTerminal: false };
  let endStep: Parameters<AdmissionStep>[1] = () => {};
  const step: AdmissionStep = (_, onDone) => {
    endStep = onDone;
    return { kill: () => {} };
  };
  const context = {
    platform: { clock },
    config: { ready: [], live: [], readyTimeoutMs: READY_TIMEOUT_MS, survive: false },
    preset: { line: { isElsewhere: false } },
    children: {},
    listeners: new FakeListeners([]),
    foreground: { isHeldBy: () => state.isAtTerminal },
    migration: null,
    dispatch: (event: ServiceEvent) => events.push(event),
  } as unknown as RunningContext;
  const generation = new RunningGeneration(context, 2, {
    replacementOf: null,
    wantsNotification: false,
    size: 1,
    launch: () => assert.fail("it is not started"),
    admissionSteps: hasSteps ? { beforeStart: step, beforeSwitch: null } : null,
  });
  const reasons = () => events.map((event) => "reason" in event ? event.reason : event.kind);
  return { clock, events, state, generation, reasons, endStep: () => endStep(null) };
}

describe("RunningGeneration", () => {
  it("fails after the ready time-out, and says what is missing", async () => {
    const { clock, generation, reasons } = scene();
    generation.hints.push("a hint");
    generation.timers.arm("ready", READY_TIMEOUT_MS);
    await clock.advance(READY_TIMEOUT_MS - 1);
    assert.deepEqual(reasons(), []);
    await clock.advance(1);
    assert.deepEqual(reasons(), ["not ready within 5 s: it does not listen; a hint"]);
  });

  it("has its ready time-out after its admission steps, which have their own", async () => {
    const { clock, generation, reasons, endStep } = scene(true);
    let isStarted = false;
    generation.timers.arm("ready", READY_TIMEOUT_MS);
    generation.admission.begin(() => isStarted = true);
    await clock.advance(2 * READY_TIMEOUT_MS);
    assert.deepEqual(reasons(), []);
    endStep();
    assert.ok(isStarted);
    await clock.advance(READY_TIMEOUT_MS - 1);
    assert.deepEqual(reasons(), []);
    await clock.advance(1);
    assert.match(reasons()[0] ?? "", /^not ready within 5 s/);
  });

  it("is not late while a person uses its terminal", async () => {
    const { clock, generation, state, reasons } = scene();
    state.isAtTerminal = true;
    generation.timers.arm("ready", READY_TIMEOUT_MS);
    await clock.advance(READY_TIMEOUT_MS);
    assert.deepEqual(reasons(), []);
  });

  const timers = [
    ["bake", "bake_elapsed"],
    ["drain", "drain_timed_out"],
    ["stop", "stop_timed_out"],
    ["late", "late_timed_out"],
  ] as const;
  for (const [timer, kind] of timers) {
    it(`reports the end of "${timer}" as ${kind}`, async () => {
      const { clock, generation, events } = scene();
      generation.timers.arm(timer, 10);
      await clock.advance(10);
      assert.deepEqual(events, [{ kind, epoch: 2 }]);
    });
  }

  it("has exited when it cannot be started, once", () => {
    const { generation, events } = scene();
    generation.failBeforeStart("no descriptor left", 71);
    generation.failBeforeStart("again", 71);
    assert.deepEqual(events.map(({ kind }) => kind), ["failed", "exited", "failed"]);
    assert.ok(generation.hasExited);
    assert.equal(generation.pid, null);
  });
});
