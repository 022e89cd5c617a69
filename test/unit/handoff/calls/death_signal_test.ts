/** Whose signal at the parent's death is baton's to prevent: that of the process that baton has started. */
import assert from "node:assert/strict";
import process from "node:process";
import { test } from "node:test";
import { answerDeathSignal, deathSignalRule } from "../../../../src/handoff/calls/death_signal.ts";
import { ARCH } from "../../../../src/platform/libc/arch.ts";

const arch = ARCH.x64;
const call = { id: 1n, tid: process.pid, call: arch.SYS_prctl, args: [1n, 15n] };

test("prctl(PR_SET_PDEATHSIG) of the leader is not carried out, of another process it is", () => {
  assert.equal(answerDeathSignal(call, { leader: process.pid }), "done");
  assert.equal(answerDeathSignal(call, { leader: process.ppid }), "continue");
  assert.equal(answerDeathSignal(call, { leader: null }), "continue");
});

test("other uses of prctl(2) are not asked about", () => {
  assert.deepEqual(deathSignalRule(arch), {
    call: arch.SYS_prctl,
    when: [{ argument: 0, values: [1] }],
  });
});
