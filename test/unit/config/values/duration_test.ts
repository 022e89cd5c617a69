/** Durations as people write them, and that what is written can be read again. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  formatDuration,
  MAX_DURATION_MS,
  parseDuration,
} from "../../../../src/config/values/duration.ts";
import { UserError } from "../../../../src/config/values/errors.ts";

describe("parseDuration()", () => {
  const valid: [string, number][] = [
    ["0", 0],
    ["0s", 0],
    ["0ms", 0],
    ["5", 5_000],
    ["0.5", 500],
    ["500ms", 500],
    ["2s", 2_000],
    ["1.5s", 1_500],
    ["0.001s", 1],
    ["1m30s", 90_000],
    ["1m", 60_000],
    ["1.1m", 66_000],
    ["1h", 3_600_000],
    ["1h0m1s5ms", 3_601_005],
    ["2d", 172_800_000],
    [" 10s ", 10_000],
    ["24d", MAX_DURATION_MS],
  ];
  for (const [text, ms] of valid) {
    it(`reads ${JSON.stringify(text)} as ${ms} ms`, () => assert.equal(parseDuration(text), ms));
  }

  const invalid: [string, RegExp][] = [
    ["", /^Cannot read duration "": it is empty$/],
    ["  ", /it is empty$/],
    ["-1s", /it is negative$/],
    ["5x", /unit "x" is not one of d, h, m, s, ms$/],
    ["5S", /unit "S" is not one of/],
    ["5minutes", /unit "minutes" is not one of/],
    ["30s1m", /units must go from large to small, each once$/],
    ["1s1s", /units must go from large to small, each once$/],
    ["1m 30s", /it is not a number with a unit$/],
    ["1m30", /it is not a number with a unit$/],
    ["s", /it is not a number with a unit$/],
    ["1e3", /it is not a number with a unit|unit "e" is not one of/],
    ["1,5s", /it is not a number with a unit$/],
    [".5s", /it is not a number with a unit$/],
    ["infinity", /it is not a number with a unit$/],
    ["0.5ms", /it is finer than one millisecond$/],
    ["0.0001", /it is finer than one millisecond$/],
    ["25d", /it is longer than 24d$/],
    ["99999999999999999999", /it is longer than 24d$/],
  ];
  for (const [text, message] of invalid) {
    it(`refuses ${JSON.stringify(text)} with a remedy`, () => {
      assert.throws(() => parseDuration(text), (error: unknown) => {
        assert.ok(error instanceof UserError);
        assert.match(error.message, message);
        assert.match(error.remedy ?? "", /500ms, 2s, 1m30s/);
        return true;
      });
    });
  }
});

describe("formatDuration()", () => {
  const cases: [number, string][] = [
    [0, "0s"],
    [0.4, "0s"],
    [1, "1ms"],
    [500, "500ms"],
    [999.6, "1s"],
    [1_000, "1s"],
    [1_500, "1.5s"],
    [60_000, "1m"],
    [90_000, "1m30s"],
    [61_250, "1m1.25s"],
    [3_600_000, "1h"],
    [3_600_001, "1h0.001s"],
    [MAX_DURATION_MS, "24d"],
  ];
  for (const [ms, text] of cases) {
    it(`writes ${ms} ms as ${text}`, () => assert.equal(formatDuration(ms), text));
  }

  it("writes what parseDuration() reads back, for every magnitude", () => {
    for (let ms = 1; ms <= MAX_DURATION_MS; ms = Math.ceil(ms * 1.37)) {
      assert.equal(parseDuration(formatDuration(ms)), ms);
    }
  });
});
