/** A candidate's way through the user's own steps: in which order, what a veto does, and when its ready time-out counts. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Admission, type AdmissionStep } from "../../../src/generation/admission.ts";
import type { CandidateOutput } from "../../../src/output/candidate_output.ts";

const OUTPUT = {} as CandidateOutput;
const VETO = { reason: "no", output: OUTPUT };

type OnDone = Parameters<AdmissionStep>[1];

/** Steps that end when the test says so, or at once. */
function scene(given: { before?: boolean; atOnce?: boolean; none?: boolean } = {}) {
  const log: string[] = [];
  let done: OnDone = () => {};
  const step = (name: string): AdmissionStep => ({ epoch }, onDone) => {
    log.push(`${name} of ${epoch}`);
    done = onDone;
    if (given.atOnce) onDone(null);
    return {
      kill: () => {
        log.push(`kill ${name}`);
      },
    };
  };
  const admission = new Admission({
    steps: given.none ? null : {
      beforeStart: step("before start"),
      beforeSwitch: given.before ? null : step("before switch"),
    },
    inspection: null,
    candidate: { epoch: 3, pid: null },
    restartReadyTimer: () => log.push("timer"),
    onAdmitted: () => log.push("admitted"),
    onVeto: (reason, isStarted) => log.push(`${isStarted ? "started" : "not started"}: ${reason}`),
  });
  const start = () => admission.begin(() => log.push("start"));
  return { log, admission, start, end: (veto: Parameters<OnDone>[0]) => done(veto) };
}

describe("Admission.begin()", () => {
  it("starts at once without steps", () => {
    const { log, start, admission } = scene({ none: true });
    start();
    assert.deepEqual(log, ["start"]);
    assert.ok(admission.admits());
  });

  it("starts after the steps, and the ready time-out counts from there", () => {
    const { log, start, end, admission } = scene();
    start();
    assert.ok(admission.isBusy);
    end(null);
    assert.deepEqual(log, ["before start of 3", "timer", "start"]);
    assert.equal(admission.isBusy, false);
  });

  it("bears steps that are over at once", () => {
    const { log, start, admission } = scene({ atOnce: true });
    start();
    assert.deepEqual(log, ["before start of 3", "timer", "start"]);
    assert.equal(admission.isBusy, false);
  });

  it("rejects a candidate with a veto, and keeps what was printed", () => {
    const { log, start, end, admission } = scene();
    start();
    end(VETO);
    assert.deepEqual(log.slice(1), ["not started: no"]);
    assert.equal(admission.vetoOutput, OUTPUT);
  });

  it("says so when it was canceled, whatever the step's end", () => {
    for (const veto of [null, VETO]) {
      const { log, start, end, admission } = scene();
      start();
      assert.ok(admission.cancel(), "the end follows");
      end(veto);
      assert.deepEqual(log.slice(1), [
        "kill before start",
        "not started: it was stopped before its process was started",
      ]);
      assert.equal(admission.vetoOutput, null);
    }
  });
});

describe("Admission.admits()", () => {
  it("asks once, and reports the result", () => {
    const { log, admission, end } = scene();
    assert.equal(admission.admits(), false);
    assert.equal(admission.admits(), false, "it is asked already");
    end(null);
    assert.deepEqual(log, ["before switch of 3", "timer", "admitted"]);
    assert.ok(admission.admits());
    assert.equal(log.length, 3);
  });

  it("is not asked without a step before the switch", () => {
    assert.ok(scene({ before: true }).admission.admits());
  });

  it("rejects a started candidate with a veto, and may be asked again", () => {
    const { log, admission, end } = scene();
    admission.admits();
    end(VETO);
    assert.deepEqual(log.slice(1), ["started: no"]);
    assert.equal(admission.admits(), false);
  });

  it("reports nothing after it was canceled", () => {
    const { log, admission, end } = scene();
    admission.admits();
    admission.cancel();
    end(VETO);
    assert.deepEqual(log, ["before switch of 3", "kill before switch"]);
  });
});
