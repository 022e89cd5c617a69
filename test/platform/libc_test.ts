/** The conversions that every wrapper is made of: errno, EINTR, C strings and arrays of them. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { C } from "../../src/platform/libc/constants.ts";
import { cString, cStringArray, struct } from "../../src/platform/libc/libc.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { systemCallError } from "../support/system_call_error.ts";
import { testPlatform } from "../support/test_platform.ts";

const NO_DESCRIPTOR = 1 << 20;

describe("cString()", () => {
  for (
    const [text, bytes] of [
      ["", [0]],
      ["a", [97, 0]],
      ["\u00e9", [0xc3, 0xa9, 0]],
      ["\u{1f680}", [0xf0, 0x9f, 0x9a, 0x80, 0]],
      ["a\nb", [97, 10, 98, 0]],
    ] as const
  ) {
    test(`ends ${JSON.stringify(text)} with one NUL`, { timeout: TEST_TIMEOUT_MS }, () => {
      assert.deepEqual([...cString(text)], bytes);
    });
  }

  test("refuses a NUL, which C would cut at", { timeout: TEST_TIMEOUT_MS }, () => {
    assert.throws(() => cString("a\0b"), {
      name: "TypeError",
      message: 'Cannot pass a NUL byte to C: "a\\u0000b"',
    });
  });
});

describe("Libc", () => {
  test("cStringArray() points to each string and ends with NULL", {
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    await using platform = await testPlatform();
    const { libc, runtime } = platform;
    const texts = ["one", "", "three"];
    const { array, keep } = cStringArray(libc, texts);
    assert.equal(array.length, 8 * (texts.length + 1));
    const pointers = new BigUint64Array(array.buffer);
    assert.equal(pointers[texts.length], 0n);
    texts.forEach((text, i) => {
      const seen = runtime.viewOf(Number(pointers[i]), text.length + 1);
      assert.deepEqual([...seen], [...cString(text)]);
    });
    assert.equal(keep.length, texts.length);
    assert.deepEqual([...cStringArray(libc, []).array], [0, 0, 0, 0, 0, 0, 0, 0]);
  });

  test("errno is that of the call just made, a thousand times in turn", {
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    await using platform = await testPlatform();
    const { libc } = platform;
    const path = cString("/no/such/file");
    for (let i = 0; i < 1000; i++) {
      assert.equal(libc.c.close(NO_DESCRIPTOR), -1);
      assert.equal(libc.errno, 9);
      assert.equal(libc.c.open(path, 0, 0), -1);
      assert.equal(libc.errno, C.ENOENT);
    }
  });

  test("check() returns what is not negative, and throws errno otherwise", {
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    await using platform = await testPlatform();
    const { libc } = platform;
    assert.equal(libc.check(0, "call", "subject"), 0);
    assert.equal(libc.check(7, "call", "subject"), 7);
    const failing = () => libc.check(libc.c.open(cString("/no/such"), 0, 0), "open", "/no/such");
    assert.throws(failing, systemCallError({ call: "open", code: "ENOENT", subject: "/no/such" }));
  });

  test("retry() repeats on EINTR only", { timeout: TEST_TIMEOUT_MS }, async () => {
    await using platform = await testPlatform();
    const { libc } = platform;
    const errnoView = new Int32Array(
      libc.runtime.viewOf(libc.c.__errno_location(), 4).buffer,
      libc.runtime.viewOf(libc.c.__errno_location(), 4).byteOffset,
      1,
    );
    const fail = (errno: number) => {
      errnoView[0] = errno;
      return -1;
    };
    let calls = 0;
    assert.equal(libc.retry(() => (++calls < 4 ? fail(C.EINTR) : 42)), 42);
    assert.equal(calls, 4);
    calls = 0;
    assert.equal(libc.retry(() => (calls++, fail(C.EAGAIN))), -1);
    assert.equal(calls, 1);
    calls = 0;
    errnoView[0] = C.EINTR; // left over from an earlier call
    assert.equal(libc.retry(() => (calls++, 0)), 0);
    assert.equal(calls, 1);
  });

  test("addressOf() is where the bytes are, also in the middle of a buffer", {
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    await using platform = await testPlatform();
    const { libc } = platform;
    const { bytes } = struct(64);
    bytes[40] = 7;
    assert.equal(libc.addressOf(bytes.subarray(40)) - libc.addressOf(bytes), 40);
    assert.equal(libc.runtime.viewOf(libc.addressOf(bytes) + 40, 1)[0], 7);
  });
});
