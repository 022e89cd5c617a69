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

  /** Changes one field of the kept state; undefined: removes it. */
  const altered = (path: string, value: unknown) =>
    changed((state) => {
      const keys = path.split(".");
      const last = keys.pop()!;
      const parent = keys.reduce<Record<string, unknown>>(
        (object, key) => object[key] as Record<string, unknown>,
        state,
      );
      if (value === undefined) delete parent[last];
      else parent[last] = value;
    });

  const unreadable: [what: string, text: string, message: RegExp][] = [
    ["what is not JSON", "{", /1 bytes that are not JSON/],
    ["null", "null", /"message" must be an object, and is null/],
    ["a list", "[]", /"version" must be present/],
    ["an older version", altered("version", 0), /version 0, and this baton reads version 1/],
    [
      "a newer version",
      altered("version", RESUME_VERSION + 1),
      new RegExp(`version ${RESUME_VERSION + 1}, and this baton reads version ${RESUME_VERSION}`),
    ],
  ];
  for (const [what, given, message] of unreadable) {
    test(`refuses ${what}`, () => {
      assert.throws(() => parseResumeState(given), message);
    });
  }

  const fields: [path: string, value: unknown, wanted: RegExp][] = [
    ["name", 7, /a text of at most 200/],
    ["name", "x".repeat(201), /a text of at most 200/],
    ["incarnation", -1, /a whole number from 0/],
    ["incarnation", 1.5, /a whole number/],
    ["startedAt", "yesterday", /a date/],
    ["launchContext", null, /an object/],
    ["launchContext.directory", "/".repeat(4097), /a text of at most 4096/],
    ["launchContext.fileLimit", "1024", /a number from 0/],
    ["duplicates", "magic", /one of getfd, socket-trap, at-bind/],
    ["service", undefined, /present/],
    ["service.nextEpoch", 2 ** 31, /a whole number from 0 to 2147483647/],
    ["service.generations.0.state", "sleeping", /one of waiting, starting/],
    ["service.next.rollout.canary", 101, /a number from 0 to 100/],
    ["service.shutdown", { requests: 1, status: 256, handedOver: null }, /from 0 to 255|present/],
    ["service.trial", { phase: "bake" }, /present/],
    ["history.lastReload.late.0.state", "lost", /one of waiting, opened, given up/],
    ["history.recentlyEnded.0.connections.busy", -1, /a whole number/],
    ["generations", {}, /a list of at most 65536/],
    ["generations.0.workers.0.pid", undefined, /present/],
    ["generations.0.workers.0.pid", 2 ** 22 + 1, /a whole number from 0 to 4194304/],
    ["generations.0.workers.0.exitStatus", { kind: "gone" }, /an exit status/],
    ["generations.0.workers.0.exitStatus.signal", 65, /a whole number from 1 to 64/],
    ["generations.0.hints", [7], /a text/],
    ["generations.1.workers.0.unsentOutput.0.target", 3, /a whole number from 1 to 2/],
    ["generations.1.workers.0.unsentOutput.0.base64", "a b", /base64/],
    ["groups", {}, /a list/],
    ["groups.0.address.port", 0, /a whole number from 1 to 65535/],
    ["groups.0.address.family", "ipx", /one of inet, inet6, unix/],
    ["groups.0.members.0.inode", 2 ** 32, /a whole number from 1/],
    ["groups.0.members.0.epoch", -3, /a whole number from -2/],
    ["groups.0.members.0.origin", undefined, /present/],
    ["groups.0.members.0.standsIn", 1, /true or false/],
    ["plans.0.isGood", undefined, /present/],
    ["ephemeral", ["1"], /a whole number/],
    ["calls.0.id", "0x1f", /a number as text/],
    ["calls.0.args", Array(7).fill("0"), /a list of at most 6/],
  ];
  for (const [path, value, wanted] of fields) {
    test(`refuses ${path} = ${JSON.stringify(value)?.slice(0, 40)}`, () => {
      assert.throws(() => parseResumeState(altered(path, value)), (error: Error) => {
        assert.match(error.message, wanted);
        assert.ok(error.message.includes(`"${path}`), error.message);
        return true;
      });
    });
  }

  test("drops what it does not know", () => {
    const later = altered("generations.0.mood", "good");
    assert.deepEqual(parseResumeState(later), parseResumeState(text));
  });
});
