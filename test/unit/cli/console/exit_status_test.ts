/** The exit statuses are an interface: these numbers may not change. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { VERB_NAMES, VERBS } from "../../../../src/cli/words/verbs.ts";
import { EXIT_STATUSES } from "../../../../scripts/exit_statuses.ts";
import * as status from "../../../../src/cli/console/exit_status.ts";

describe("EXIT_STATUSES", () => {
  it("keeps the agreed numbers", () => {
    const numbers = Object.fromEntries(
      Object.entries(status).filter(([, value]) => typeof value === "number"),
    );
    assert.deepEqual(numbers, {
      EXIT_OK: 0,
      EXIT_NOT_READY: 1,
      EXIT_NEEDS_CHANGE: 1,
      EXIT_USAGE: 64,
      EXIT_NEW_GENERATION_FAILED: 70,
      EXIT_SYSTEM: 71,
      EXIT_BUSY: 75,
      EXIT_DRAIN_TIMED_OUT: 124,
    });
  });

  it("says which verbs end with them", () => {
    const verbsOf = (number: number) =>
      EXIT_STATUSES.find((entry) => entry.status === String(number))?.verbs;
    const changing = ["reload", "promote", "rollback", "canary", "scale", "upgrade"];
    const failing = ["run", "reload", "scale", "upgrade", "rehearse"];
    assert.deepEqual(verbsOf(status.EXIT_NEW_GENERATION_FAILED), failing);
    assert.deepEqual(verbsOf(status.EXIT_SYSTEM), VERB_NAMES);
    assert.deepEqual(verbsOf(status.EXIT_BUSY), ["run", ...changing, "prestop"]);
    const waiting = VERB_NAMES.filter((verb) =>
      VERBS[verb].flags.some(({ flag }) => flag === "timeout")
    );
    const timedOut = verbsOf(status.EXIT_DRAIN_TIMED_OUT) ?? [];
    assert.deepEqual(waiting.filter((verb) => !timedOut.includes(verb)), []);
    assert.deepEqual(timedOut, ["run", ...changing, "status", "stop", "ready", "prestop"]);
  });

  it("documents every one of them, each once", () => {
    const documented = EXIT_STATUSES.map((entry) => entry.status);
    assert.deepEqual(documented, [
      "0",
      "1",
      "1-255",
      "64",
      "70",
      "71",
      "75",
      "124",
      "126",
      "127",
      "128+n",
    ]);
    for (const { meaning, verbs } of EXIT_STATUSES) {
      assert.match(meaning, /^[A-Z].*\.$/);
      assert.ok(verbs.length > 0);
    }
  });
});
