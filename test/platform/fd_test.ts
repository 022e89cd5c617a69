/** Owned descriptors: closed once, never used afterwards. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { describe, test } from "node:test";
import { Fd } from "../../src/platform/fd.ts";
import type { Platform } from "../../src/platform/platform.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { testPlatform } from "../support/test_platform.ts";

/** From here on nobody else in this process takes numbers: a closed one stays closed. */
const OUR_NUMBERS = 900;
const isOpen = (number: number) => existsSync(`/proc/self/fd/${number}`);

function open(platform: Platform): Fd {
  return platform.descriptors.duplicate(2, OUR_NUMBERS);
}

describe("Fd", () => {
  test("dispose() closes it", { timeout: TEST_TIMEOUT_MS }, async () => {
    await using platform = await testPlatform();
    let number: number;
    {
      using fd = open(platform);
      number = fd.number;
      assert.ok(fd.isOpen && isOpen(number));
    }
    assert.ok(!isOpen(number));
  });

  test("close() twice does not close who got the number next", {
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    await using platform = await testPlatform();
    const first = open(platform);
    const { number } = first;
    first.close();
    using second = open(platform);
    assert.equal(second.number, number, "the number is given out again");
    first.close();
    first[Symbol.dispose]();
    assert.ok(isOpen(number));
  });

  test(
    "number throws after close(), and isOpen is false",
    { timeout: TEST_TIMEOUT_MS },
    async () => {
      await using platform = await testPlatform();
      const fd = open(platform);
      fd.close();
      assert.equal(fd.isOpen, false);
      assert.throws(() => fd.number, /^Error: Cannot use a descriptor that is closed$/);
      assert.throws(() => fd.release(), /Cannot use a descriptor that is closed/);
    },
  );

  test("release() gives the number away, and close() leaves it alone", {
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    await using platform = await testPlatform();
    const fd = open(platform);
    const number = fd.release();
    assert.equal(fd.isOpen, false);
    fd.close();
    assert.ok(isOpen(number));
    new Fd(platform.libc, number).close();
    assert.ok(!isOpen(number));
  });

  test(
    "close() of a number that is not open is harmless",
    { timeout: TEST_TIMEOUT_MS },
    async () => {
      await using platform = await testPlatform();
      const fd = open(platform);
      const stale = new Fd(platform.libc, fd.number);
      fd.close();
      assert.doesNotThrow(() => stale.close());
    },
  );
});
