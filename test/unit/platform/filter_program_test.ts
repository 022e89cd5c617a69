/** The seccomp filter, run here as the kernel runs it: what it asks about, and what it lets through. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { MOST_SPARED } from "../../../src/launcher/plan.ts";
import { C } from "../../../src/platform/libc/constants.ts";
import { filterProgram } from "../../../src/platform/process/call_filter.ts";
import { TEST_TIMEOUT_MS } from "../../support/limits.ts";

const X86_64 = 0xc000003e;
const I386 = 0x40000003;

describe("filterProgram()", () => {
  const decode = (program: Uint8Array) => {
    const view = new DataView(program.buffer);
    return Array.from({ length: program.length / 8 }, (_, i) => [
      view.getUint16(8 * i, true),
      view.getUint8(8 * i + 2),
      view.getUint8(8 * i + 3),
      view.getUint32(8 * i + 4, true),
    ]);
  };
  /** The kernel's answer for a call: the few instructions that the program is made of. */
  const run = (program: Uint8Array, audit: number, call: number, args = [0, 0]): number => {
    const data = new Map([[0, call], [4, audit]]);
    args.forEach((value, i) => data.set(16 + 8 * i, value >>> 0));
    const code = decode(program);
    let value = 0;
    for (let at = 0;; at++) {
      const [operation, jt = 0, jf = 0, k = 0] = code[at]!;
      if (operation === 0x06) return k;
      if (operation === 0x20) value = data.get(k) ?? NaN;
      else if (operation === 0x54) value = (value & k) >>> 0;
      else if (operation === 0x05) at += k;
      else at += value === k ? jt : jf;
    }
  };

  for (const calls of [[], [49], [49, 50], [1, 2, 3, 4, 5, 6, 7, 8]]) {
    test(`with ${calls.length} calls asks about those, of our architecture only`, {
      timeout: TEST_TIMEOUT_MS,
    }, () => {
      const program = filterProgram(X86_64, calls);
      for (let call = 0; call < 60; call++) {
        const asked = calls.includes(call) ? C.SECCOMP_RET_USER_NOTIF : C.SECCOMP_RET_ALLOW;
        assert.equal(run(program, X86_64, call), asked, `call ${call}`);
        assert.equal(run(program, I386, call), C.SECCOMP_RET_ALLOW, "a 32 bit program");
      }
    });
  }

  test("asks about signals to processes that are spared", { timeout: TEST_TIMEOUT_MS }, () => {
    const program = filterProgram(X86_64, [49, 50], { call: 62, pids: [700, 701] });
    const [ask, allow] = [C.SECCOMP_RET_USER_NOTIF, C.SECCOMP_RET_ALLOW];
    const table: [call: number, args: [number, number], answer: number][] = [
      [62, [700, 12], ask],
      [62, [701, 9], ask],
      [62, [-701, 15], ask],
      [62, [702, 12], allow],
      [62, [-1, 12], allow],
      // Only whether it exists.
      [62, [700, 0], allow],
      [63, [700, 12], allow],
      [49, [700, 12], ask],
    ];
    for (const [call, args, answer] of table) {
      assert.equal(run(program, X86_64, call, args), answer, `call ${call} ${args}`);
      assert.equal(run(program, I386, call, args), allow, "a 32 bit program");
    }
    const many = { call: 62, pids: Array.from({ length: MOST_SPARED }, (_, i) => 1000 + i) };
    const long = filterProgram(X86_64, [49, 50, 43, 288, 48], many);
    assert.equal(run(long, X86_64, 49), ask);
    assert.equal(run(long, X86_64, 62, [1031, 1]), ask);
    assert.equal(run(long, X86_64, 61, [1031, 1]), allow);
  });

  test("asks about calls by their arguments", { timeout: TEST_TIMEOUT_MS }, () => {
    const spared = { call: 62, pids: [700] };
    const program = filterProgram(X86_64, [
      50,
      {
        call: 41,
        when: [
          { argument: 0, values: [2, 10] },
          { argument: 1, mask: 0xf, values: [1] },
          { argument: 2, values: [0, 6] },
        ],
      },
      { call: 41, when: [{ argument: 0, values: [1] }] },
      { call: 42, when: [{ argument: 2, values: [16, 28], not: true }] },
    ], spared);
    const [ask, allow] = [C.SECCOMP_RET_USER_NOTIF, C.SECCOMP_RET_ALLOW];
    const table: [call: number, args: number[], answer: number][] = [
      [41, [2, 1, 0], ask],
      [41, [10, 1 | C.SOCK_CLOEXEC | C.SOCK_NONBLOCK, 6], ask],
      [41, [10, 2, 0], allow],
      [41, [2, 1, 262], allow],
      [41, [16, 1, 0], allow],
      [41, [1, 2, 0], ask],
      [42, [3, 0, 16], allow],
      [42, [3, 0, 28], allow],
      [42, [3, 0, 20], ask],
      [50, [0, 0, 0], ask],
      [49, [2, 1, 0], allow],
      [62, [700, 9, 0], ask],
      [62, [701, 9, 0], allow],
    ];
    for (const [call, args, answer] of table) {
      assert.equal(run(program, X86_64, call, args), answer, `call ${call} ${args}`);
      assert.equal(run(program, I386, call, args), allow, "a 32 bit program");
    }
  });

  test("takes another action, for filters that restrict", { timeout: TEST_TIMEOUT_MS }, () => {
    const program = filterProgram(X86_64, [49], undefined, C.SECCOMP_RET_ERRNO | C.EPERM);
    assert.equal(run(program, X86_64, 49), C.SECCOMP_RET_ERRNO | C.EPERM);
    assert.equal(run(program, X86_64, 50), C.SECCOMP_RET_ALLOW);
  });
});
