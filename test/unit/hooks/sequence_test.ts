/** Several commands one after the other: what runs, in which order, and what is reported. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { CommandEnd } from "../../../src/hooks/command.ts";
import type { CandidateOutput } from "../../../src/output/candidate_output.ts";
import { Sequence } from "../../../src/hooks/sequence.ts";

const OK: CommandEnd = { kind: "exited", status: { kind: "exited", code: 0 } };
const BAD: CommandEnd = { kind: "exited", status: { kind: "exited", code: 1 } };
const OUTPUT = null as unknown as CandidateOutput;

/** Commands that end when the test says so, or at once. */
class Stage {
  readonly log: string[] = [];
  #end: ((end: CommandEnd) => void) | null = null;

  constructor(readonly atOnce: CommandEnd | null = null) {}

  run(steps: readonly string[], stopsAtFailure = true) {
    const sequence = new Sequence<string>({
      steps,
      stopsAtFailure,
      start: (step, onEnd) => {
        this.log.push(`start ${step}`);
        this.#end = (end) => onEnd(end, OUTPUT);
        if (this.atOnce) onEnd(this.atOnce, OUTPUT);
        return { kill: () => this.log.push(`kill ${step}`) };
      },
      onFailure: ({ step, end }) => this.log.push(`failed ${step} ${end.kind}`),
      onDone: (failed) => this.log.push(`done ${failed?.step ?? "well"}`),
    });
    sequence.start();
    return sequence;
  }

  end(end: CommandEnd): void {
    this.#end?.(end);
  }
}

describe("Sequence", () => {
  it("runs one after the other", () => {
    const stage = new Stage();
    stage.run(["a", "b"]);
    assert.deepEqual(stage.log, ["start a"]);
    stage.end(OK);
    assert.deepEqual(stage.log, ["start a", "start b"]);
    stage.end(OK);
    assert.deepEqual(stage.log.slice(2), ["done well"]);
  });

  it("stops at the first failure, if it is a veto", () => {
    const stage = new Stage();
    stage.run(["a", "b"]);
    stage.end(BAD);
    assert.deepEqual(stage.log, ["start a", "failed a exited", "done a"]);
  });

  it("runs on, and reports each failure, if it is none", () => {
    const stage = new Stage();
    stage.run(["a", "b", "c"], false);
    stage.end(BAD);
    stage.end({ kind: "timed_out" });
    stage.end(OK);
    assert.deepEqual(stage.log.filter((line) => !line.startsWith("start")), [
      ...["failed a exited", "failed b timed_out", "done a"],
    ]);
  });

  for (const stopsAtFailure of [true, false]) {
    it(`starts nothing after it was killed (${stopsAtFailure ? "veto" : "none"})`, () => {
      const stage = new Stage();
      const sequence = stage.run(["a", "b"], stopsAtFailure);
      sequence.kill();
      assert.deepEqual(stage.log, ["start a", "kill a"]);
      stage.end({ kind: "killed" });
      assert.deepEqual(stage.log.slice(2), ["failed a killed", "done a"]);
    });
  }

  it("starts nothing more when the killed command had just ended well", () => {
    const stage = new Stage();
    stage.run(["a", "b"]).kill();
    stage.end(OK);
    assert.deepEqual(stage.log, ["start a", "kill a", "done well"]);
  });

  it("bears commands that are over at once", () => {
    const well = new Stage(OK);
    well.run(["a", "b"]);
    assert.deepEqual(well.log, ["start a", "start b", "done well"]);
    const badly = new Stage({ kind: "not_started", message: "no" });
    badly.run(["a", "b"]).kill();
    assert.deepEqual(badly.log, ["start a", "failed a not_started", "done a"]);
    const empty = new Stage();
    empty.run([]);
    assert.deepEqual(empty.log, ["done well"]);
  });
});
