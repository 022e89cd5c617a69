/** What this process was started with, as the kernel has it. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import process from "node:process";
import { describe, test } from "node:test";
import { decodeBytes } from "../../src/platform/bytes.ts";
import { parseEnvironment } from "../../src/platform/process/environment.ts";
import { givenArguments } from "../../src/platform/runtime/exec_strings.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { testRuntime } from "../support/test_platform.ts";

const timeout = TEST_TIMEOUT_MS;
const strings = (file: string) =>
  decodeBytes(readFileSync(`/proc/self/${file}`)).split("\0").slice(0, -1);

describe("what this process was started with", () => {
  test("is its environment", { timeout }, async () => {
    const runtime = await testRuntime();
    assert.deepEqual(runtime.env(), parseEnvironment(strings("environ")));
    assert.notEqual(runtime.env(), runtime.env(), "each time a new one");
  });

  test("is its last arguments", { timeout }, () => {
    const words = strings("cmdline");
    assert.deepEqual(givenArguments(words.slice(1)), words.slice(1));
    assert.deepEqual(givenArguments([]), []);
  });

  test("is what the runtime says where the command line was overwritten", { timeout }, () => {
    for (const known of [["a title"], Array.from({ length: 1000 }, () => process.title)]) {
      assert.deepEqual(givenArguments(known), known);
    }
  });
});
