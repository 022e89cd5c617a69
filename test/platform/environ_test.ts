/** The environment that the kernel has put into this process, read in two ways. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import process from "node:process";
import { describe, test } from "node:test";
import { environBytes, environMemory } from "../../src/platform/runtime/exec_strings.ts";
import { testRuntime } from "../support/test_platform.ts";

describe("the environment that this process was started with", () => {
  test("is the same in its file and in memory", async () => {
    const { viewOf } = await testRuntime();
    const file = readFileSync("/proc/self/environ", "latin1");
    assert.ok(file.includes("PATH="));
    for (const bytes of [environBytes(viewOf), environMemory(viewOf)]) {
      assert.equal(new TextDecoder("latin1").decode(bytes), file);
    }
  });

  test("is what the runtime says", async () => {
    const { environ } = await testRuntime();
    assert.equal(environ()["PATH"], process.env["PATH"]);
  });
});
