/** What a server's end is reported as: every exit status and every signal, asked for and not. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { describeExit, reportExit } from "../../../src/report/exit_report.ts";

const ALL = Array.from({ length: 256 }, (_, code) => code);
const SIGNALS = Array.from({ length: 64 }, (_, index) => index + 1);
const TERM = 15;
const UNASKED = { stopSignal: null, cleanExit: [], daemonized: false, hints: [] } as const;
const ASKED = { ...UNASKED, stopSignal: TERM } as const;

describe("reportExit()", () => {
  test("passes every exit status on, 0 to 255", () => {
    for (const code of ALL) {
      const report = reportExit({ kind: "exited", code }, UNASKED);
      assert.deepEqual(report, { status: code, asRequested: false, text: `exit status ${code}` });
    }
  });

  test("passes every signal on as 128+n", () => {
    for (const signal of SIGNALS) {
      const { status, asRequested } = reportExit(
        { kind: "signalled", signal },
        UNASKED,
      );
      assert.deepEqual([status, asRequested], [128 + signal, false], `signal ${signal}`);
    }
  });

  test("knows an end that was asked for: 0, 128+TERM, TERM itself, and no other", () => {
    const asRequested = ALL.filter((code) =>
      reportExit({ kind: "exited", code }, ASKED).asRequested
    );
    assert.deepEqual(asRequested, [0, 128 + TERM]);
    const signals = SIGNALS.filter((signal) =>
      reportExit({ kind: "signalled", signal }, ASKED).asRequested
    );
    assert.deepEqual(signals, [TERM]);
    assert.equal(reportExit({ kind: "unknown" }, ASKED).asRequested, true);
    assert.equal(reportExit({ kind: "unknown" }, UNASKED).asRequested, false);
  });

  test("takes a status of --clean-exit for one, if the end was asked for", () => {
    const clean = { cleanExit: [1, 10] };
    const asRequested = (code: number, asked: typeof ASKED | typeof UNASKED) =>
      reportExit({ kind: "exited", code }, { ...asked, ...clean }).asRequested;
    assert.deepEqual([0, 1, 2, 10].map((code) => asRequested(code, ASKED)), [
      true,
      true,
      false,
      true,
    ]);
    assert.equal(asRequested(1, UNASKED), false);
  });

  test("an end of what went to the background is none that was asked for", () => {
    const report = reportExit({ kind: "exited", code: 0 }, { ...UNASKED, daemonized: true });
    assert.deepEqual([report.status, report.asRequested], [1, false]);
  });

  test("says what may have been the reason", () => {
    const { text } = reportExit({ kind: "exited", code: 3 }, { ...UNASKED, hints: ["a", "b"] });
    assert.equal(text, "exit status 3 (a; b)");
    assert.match(describeExit({ kind: "signalled", signal: 11 }), /SIGSEGV/);
  });
});
