/** A service behind a front cannot be rehearsed with it: no client would reach a server at a private address. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { commandRehearse } from "../../../../src/cli/commands/rehearse.ts";
import { UserError } from "../../../../src/config/values/errors.ts";
import { buildConfig } from "../../../support/config.ts";
import { testPlatform } from "../../../support/test_platform.ts";

test("a rehearsal with --front is refused by name", async () => {
  const flagValues = new Map([["front", ["eds:/d/eds.yaml"]]]);
  const config = buildConfig({ fileValues: null, flagValues, command: ["server"] });
  const words = { verb: "rehearse", config, options: [], json: false } as const;
  const print = { out: assert.fail, error: assert.fail, isClosed: false, failure: null };
  await using platform = await testPlatform();
  assert.throws(() => commandRehearse(platform, words, print), (error: unknown) => {
    assert.ok(error instanceof UserError);
    assert.match(error.message, /--front/);
    return true;
  });
});
