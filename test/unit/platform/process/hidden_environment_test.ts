/** What a runtime heeds travels beside it, and is the same at the other end. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  helperEnvironment,
  HIDDEN_ENV,
  hide,
  unhide,
} from "../../../../src/platform/process/hidden_environment.ts";
import { testRuntime } from "../../../support/test_platform.ts";

const HEEDS = { heeds: /^(BUN_(?!INSTALL)|NODE_OPTIONS$)/ };

describe("hide() and unhide()", () => {
  const cases: readonly (readonly [Record<string, string>, string[]])[] = [
    [{}, []],
    [{ A: "1", BUN_INSTALL: "/x" }, ["A", "BUN_INSTALL"]],
    [{ A: "1", BUN_OPTIONS: "--preload x", NODE_OPTIONS: "\u00e9\n=" }, ["A", HIDDEN_ENV]],
    [{ NODE_OPTIONS_2: "", BUN_: "" }, ["NODE_OPTIONS_2", HIDDEN_ENV]],
  ];
  for (const [env, names] of cases) {
    test(JSON.stringify(env), () => {
      const hidden = hide(HEEDS, env);
      assert.deepEqual(Object.keys(hidden), names);
      assert.deepEqual(unhide(hidden), env);
      assert.deepEqual(unhide(hide(HEEDS, unhide(hidden))), env, "twice");
      assert.deepEqual(hide({ heeds: null }, env), env, "the binary heeds none");
    });
  }

  test("what is no baton's is left out, and breaks nothing", () => {
    assert.deepEqual(unhide({ A: "1", [HIDDEN_ENV]: "{" }), { A: "1" });
  });

  test("a helper gets neither", () => {
    const env = () => ({ A: "1", BUN_OPTIONS: "x", NODE_X: "1", DENO_DIR: "/d", DENO_CERT: "c" });
    assert.deepEqual(helperEnvironment({ ...HEEDS, env }), { A: "1", DENO_DIR: "/d" });
  });
});

describe("Runtime.heeds", () => {
  test("names what was seen to act, and not what everybody has", async () => {
    const { name, heeds } = await testRuntime();
    const acting = name === "bun"
      ? ["BUN_OPTIONS", "BUN_INSPECT", "BUN_JSC_useJIT", "BUN_BE_BUN", "MIMALLOC_VERBOSE"]
      : ["NODE_OPTIONS", "DENO_V8_FLAGS", "DENO_COVERAGE_DIR", "DENO_LOG", "OTEL_DENO"];
    const harmless = ["PATH", "BUN_INSTALL", "DENO_DIR", "DENO_TLS_CA_STORE", "NODE_ENV"];
    assert.deepEqual([...acting, ...harmless].filter((one) => heeds!.test(one)), acting);
  });
});
