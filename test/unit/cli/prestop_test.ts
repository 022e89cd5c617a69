/** What `baton prestop` makes of the answer of a baton, and the time that it has for another wait. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { drainOutcome, remaining } from "../../../src/cli/commands/prestop.ts";
import { parseCommandLine } from "../../../src/cli/words/parse.ts";

describe("drainOutcome()", () => {
  const table: [status: number, body: string, ...expected: readonly unknown[]][] = [
    [200, '{"drained":true,"busy":0}', 0, '"web" is drained'],
    [200, '{"drained":false,"busy":2}', 124, '"web": 2 connections are still busy'],
    [200, '{"drained":false,"busy":null}', 124, '"web": the connections could not be counted'],
    // Not known: of another version, or no baton.
    [200, '{"drained":true}', 124, '"web": the connections could not be counted'],
    [200, "", 124, '"web": the connections could not be counted'],
    [404, '{"error":"no such path: /v1/drain"}'],
    [500, '{"error":"EMFILE"}'],
  ];
  for (const [status, body, ...expected] of table) {
    it(`${status} ${body}: ${expected.join(" ") || "it cannot drain"}`, () => {
      assert.deepEqual(drainOutcome("web", { status, body }) ?? [], expected);
    });
  }
});

describe("remaining()", () => {
  const table: [spentMs: number, minMs: number, maxMs: number][] = [
    [0, 5_000, 20_000],
    [3_000, 2_000, 20_000],
    [6_000, 0, 19_000],
    [30_000, 0, 0],
  ];
  for (const [spentMs, minMs, maxMs] of table) {
    it(`after ${spentMs} ms: ${minMs} and ${maxMs}`, () => {
      const command = parseCommandLine(["prestop"], () => assert.fail());
      assert.ok(command.verb === "prestop");
      assert.deepEqual(remaining(command, spentMs), { ...command, minMs, maxMs });
    });
  }
});
