/** States of earlier versions can be told apart, and what is malformed is named. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { parseResumeState, RESUME_VERSION } from "../../../../src/succession/state/resume_state.ts";
import { REPOSITORY } from "../../../support/programs.ts";

const FIXTURE = join(REPOSITORY, "test/fixtures/handover", `in_place_v${RESUME_VERSION}.json`);
const text = readFileSync(FIXTURE, "utf8");

function changed(change: (state: Record<string, unknown>) => void): string {
  const state = JSON.parse(text);
  change(state);
  return JSON.stringify(state);
}

describe("parseResumeState()", () => {
  test("reads the state of this version that is kept, and loses nothing of it", () => {
    assert.deepEqual(JSON.parse(JSON.stringify(parseResumeState(text))), JSON.parse(text));
  });

  const bad: [what: string, text: string, message: RegExp][] = [
    ["no JSON", "{", /it is no JSON/],
    ["null", "null", /version undefined/],
    ["an older version", changed((s) => s["version"] = 0), /version 0, and this baton reads ver/],
    [
      "a newer version",
      changed((s) => s["version"] = RESUME_VERSION + 1),
      new RegExp(`version ${RESUME_VERSION + 1}, and this baton reads version ${RESUME_VERSION}`),
    ],
    ["no service", changed((s) => delete s["service"]), /: service is not/],
    ["no groups", changed((s) => s["groups"] = {}), /: groups is not/],
    [
      "a generation without a pid",
      changed((s) => delete (s["generations"] as Record<string, unknown>[])[0]!["pid"]),
      /: generations is not/,
    ],
    ["a name that is none", changed((s) => s["name"] = 7), /: name is not/],
  ];
  for (const [what, given, message] of bad) {
    test(`refuses ${what}`, () => {
      assert.throws(() => parseResumeState(given), message);
    });
  }
});
