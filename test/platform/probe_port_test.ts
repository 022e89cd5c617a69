/** Who may answer probes at a port: one baton, and whoever goes on from it. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { HttpPort } from "../../src/admin/http_port.ts";
import { SystemCallError } from "../../src/platform/error.ts";
import { C } from "../../src/platform/libc/constants.ts";
import { freePort } from "../support/free_port.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { testPlatform } from "../support/test_platform.ts";

const OPTIONS = { timeout: TEST_TIMEOUT_MS };

async function door() {
  const platform = await testPlatform();
  const address = { family: "inet", host: "127.0.0.1", port: await freePort(), scope: 0 } as const;
  const answer = () => new Response("");
  return {
    open: (joins: boolean) => new HttpPort(platform, address, answer, joins),
    [Symbol.asyncDispose]: () => platform[Symbol.asyncDispose](),
  };
}

function isTaken(error: unknown): boolean {
  return error instanceof SystemCallError && error.errno === C.EADDRINUSE;
}

describe("HttpPort", () => {
  test(
    "has the port alone: another one is refused, and one that goes on is not once it is shared",
    OPTIONS,
    async () => {
      await using at = await door();
      const first = at.open(false);
      for (const joins of [false, true]) assert.throws(() => at.open(joins), isTaken);
      first.share();
      const next = at.open(true);
      const nextButOne = at.open(true);
      assert.throws(() => at.open(false), isTaken, "while they share it");
      first.close();
      nextButOne.close();
      assert.throws(() => at.open(false), isTaken, "while one of them is left");
      assert.doesNotThrow(() => at.open(true).close());
      next.close();
      assert.doesNotThrow(() => at.open(false).close(), "nobody has it any more");
    },
  );

  test("joins nobody as well", OPTIONS, async () => {
    await using at = await door();
    const first = at.open(true);
    assert.throws(() => at.open(false), isTaken);
    first.close();
  });
});
