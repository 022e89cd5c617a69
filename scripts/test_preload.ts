/**
 * Loaded before each test file on Bun: notes why tests are skipped, which Bun forgets.
 *
 * Each `{ skip: "reason" }` of node:test becomes a line `["name", "reason"]` of $TEST_SKIP_NOTES. It
 * also tells of a skipped `describe`, whose tests Bun neither runs nor counts.
 */
import { mock } from "bun:test";
import { appendFileSync } from "node:fs";
import * as nodeTest from "node:test";
import process from "node:process";

const notes = process.env["TEST_SKIP_NOTES"];
// A copy: the module's own names are about to be replaced.
const original: Record<string, unknown> = { ...nodeTest };

function noting(register: unknown): unknown {
  if (typeof register !== "function") return register;
  const wrapper = (...values: unknown[]) => {
    const options = values.find((value) => typeof value === "object" && value !== null);
    const skip = (options as { skip?: unknown } | undefined)?.skip;
    if (typeof skip === "string" && skip !== "" && notes !== undefined) {
      appendFileSync(notes, `${JSON.stringify([String(values[0]), skip])}\n`);
    }
    return register(...values);
  };
  return Object.assign(wrapper, register);
}

const wrapped = Object.fromEntries(
  ["test", "it", "describe", "suite", "default"].map((name) => [name, noting(original[name])]),
);
mock.module("node:test", () => ({ ...original, ...wrapped }));
