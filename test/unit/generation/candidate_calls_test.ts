/** Which signals of a candidate arrive, and which Unix address is in a call. */
import assert from "node:assert/strict";
import process from "node:process";
import { describe, it } from "node:test";
import { CandidateCalls } from "../../../src/generation/candidate/calls.ts";
import { C } from "../../../src/platform/libc/constants.ts";
import type { Fd } from "../../../src/platform/fd.ts";

const SYS_KILL = 62;
const USR2 = 12;
const NOTIFY = {} as Fd;

function scene({ isPending = true, serving = [700, 701] as number[] | null } = {}) {
  const log: string[] = [];
  const calls = new CandidateCalls(
    {
      platform: {
        libc: { arch: { SYS_kill: SYS_KILL, SYS_bind: 49 } },
        seccomp: {
          refuse: (_: Fd, __: bigint, errno: number) => log.push(`refused ${errno}`),
          continue: () => log.push("let through"),
        },
      },
      isPending: () => isPending,
      serving: () => serving === null ? null : { epoch: 4, processes: () => serving },
      onHint: (text: string) => log.push(text),
    } as unknown as ConstructorParameters<typeof CandidateCalls>[0],
  );
  const kill = (pid: number, signal = USR2) =>
    calls.answer(NOTIFY, {
      id: 1n,
      // A thread in the same namespace.
      tid: process.pid,
      call: SYS_KILL,
      args: [BigInt.asUintN(64, BigInt(pid)), BigInt(signal)],
    });
  return { calls, log, kill };
}

describe("CandidateCalls", () => {
  const table: [what: string, pid: number, given: Parameters<typeof scene>[0], refused: boolean][] =
    [
      ["to a process of the serving generation", 700, {}, true],
      ["to its group", -701, {}, true],
      ["to another process of that number", 702, {}, false],
      ["after the gate", 700, { isPending: false }, false],
      ["when none serves", 700, { serving: null }, false],
    ];
  for (const [what, pid, given, refused] of table) {
    it(`a signal ${what}: ${refused ? "refused" : "let through"}`, () => {
      const { calls, log, kill } = scene(given);
      assert.equal(kill(pid), true);
      assert.equal(log.at(-1), refused ? `refused ${C.ESRCH}` : "let through");
      assert.equal(calls.hasRefused, refused);
      if (refused) {
        assert.match(log[0] ?? "", /^it tried to send SIGUSR2 to generation 4 \(.*, pid 70/);
      }
    });
  }

  it("leaves other calls to others", () => {
    const { calls, log } = scene();
    assert.equal(calls.answer(NOTIFY, { id: 1n, tid: 1, call: 50, args: [] }), false);
    assert.deepEqual(log, []);
  });

  it("asks about the processes of the serving generation, as many as a filter has room for", () => {
    assert.deepEqual(scene().calls.spared, [700, 701]);
    assert.deepEqual(scene({ serving: null }).calls.spared, []);
    const many = Array.from({ length: 100 }, (_, i) => i + 1);
    assert.equal(scene({ serving: many }).calls.spared.length, 32);
  });
});
