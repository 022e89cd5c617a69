/** The lines of the original. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { formatLine, LINES, own } from "../../../src/hot_restarter/lines.ts";

const TIME = { year: 2026, month: 1, day: 2, hours: 3, minutes: 4, seconds: 5 };

describe("formatLine()", () => {
  test("is Python's logging as the original sets it up", () => {
    assert.equal(
      formatLine(LINES.gotTerm, 42, TIME, 7),
      "[2026-01-02 03:04:05.007][42][WARNING][core] [hot-restarter.py:95] got SIGTERM",
    );
  });

  test("names baton where the original says nothing", () => {
    assert.equal(
      formatLine(own("INFO", "x"), 42, { ...TIME, month: 12 }, 120),
      "[2026-12-02 03:04:05.120][42][INFO][core] [baton] x",
    );
  });
});
