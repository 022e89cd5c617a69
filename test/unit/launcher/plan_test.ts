/** Launch plans and reports cross a process boundary whole, or not at all. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type LaunchPlan, parsePlan, parseReport } from "../../../src/launcher/plan.ts";
import { parseEnvironment } from "../../../src/platform/process/environment.ts";

const PLAN: LaunchPlan = {
  argv: ["server", "--name", "\udce9"],
  program: null,
  env: parseEnvironment(["A=\udce9", "__proto__=1", "no equals sign"]),
  cwd: null,
  members: 1,
  readyDescriptor: 7,
  trap: [49, 50],
  spared: [7],
  waits: false,
  parentDeathSignal: 15,
  parentPid: 1,
  fileLimit: null,
};

describe("parsePlan()", () => {
  test("returns the plan as it was, each variable included", () => {
    const parsed = parsePlan(JSON.stringify(PLAN));
    assert.deepEqual(parsed, PLAN);
    assert.deepEqual(Object.entries(parsed?.env ?? {}), Object.entries(PLAN.env));
  });

  test("returns null for one that comes later", () => assert.equal(parsePlan("null"), null));

  const broken: [string, unknown][] = [
    ["no object", []],
    ["a variable that is not text", { ...PLAN, env: { A: 1 } }],
    ["no environment", { ...PLAN, env: null }],
    ["an argument that is not text", { ...PLAN, argv: [1] }],
    ["a missing member count", { ...PLAN, members: undefined }],
    ["a ready descriptor that is not a number", { ...PLAN, readyDescriptor: "7" }],
  ];
  for (const [name, plan] of broken) {
    test(`refuses ${name}`, () => assert.throws(() => parsePlan(JSON.stringify(plan))));
  }
});

describe("parseReport()", () => {
  const bytesOf = (report: unknown) => new TextEncoder().encode(JSON.stringify(report));
  const whole = [
    { kind: "booted" },
    { kind: "prepared" },
    { kind: "failed", status: 127, message: "not found" },
  ];
  for (const report of whole) {
    test(`reads ${report.kind}`, () => assert.deepEqual(parseReport(bytesOf(report)), report));
  }
  for (const report of [{ kind: "other" }, { kind: "failed", status: "127" }, null]) {
    test(`refuses ${JSON.stringify(report)}`, () =>
      assert.throws(() => parseReport(bytesOf(report))));
  }
});
