/** When a candidate is found to have listeners of the generation before, and which those are. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ownHandoffCure } from "../../../src/config/servers/own_handoff.ts";
import { othersSinceNow, PassedSockets } from "../../../src/generation/candidate/passed_sockets.ts";
import type { PassedListener } from "../../../src/inspect/passed_listeners.ts";
import type { Group } from "../../../src/steering/group.ts";
import type { Member } from "../../../src/steering/member.ts";
import { FakeClock } from "../../support/fake_clock.ts";
import { FakeListeners } from "../../support/fake_listeners.ts";
import { TEST_TIMEOUT_MS } from "../../support/limits.ts";

const TEST = { timeout: TEST_TIMEOUT_MS };
const A = { inode: 1, epoch: 0, address: "127.0.0.1:80" };
const B = { inode: 2, epoch: 0, address: "127.0.0.1:81" };
const inProgram = (of: typeof A, program = "app"): PassedListener => ({ ...of, pid: 7, program });

/** @param looks what each look finds; the last one counts for those after it */
function scene(looks: readonly PassedListener[][]) {
  const clock = new FakeClock();
  const reasons: string[] = [];
  const seen = { looks: 0, isPending: true, accepted: 0 };
  const passed = new PassedSockets({
    clock,
    others: () => [A, B],
    processes: () => [7],
    accepted: () => seen.accepted,
    isPending: () => seen.isPending,
    program: "envoy",
    fail: (reason) => reasons.push(reason),
  }, () => looks[Math.min(seen.looks++, looks.length - 1)] ?? []);
  return { clock, passed, reasons, seen };
}

describe("PassedSockets", () => {
  test("finds what is open at two looks in a row, 120 ms after the start", TEST, async () => {
    const { clock, passed, reasons } = scene([[inProgram(A)]]);
    passed.begin();
    await clock.advance(119);
    assert.deepEqual([reasons, passed.wereFound], [[], false]);
    await clock.advance(1);
    assert.equal(passed.wereFound, true);
    assert.deepEqual(reasons, [
      "it has generation 0's own socket at 127.0.0.1:80 (app, pid 7), passed to it behind baton's back: " +
      "start Envoy with --disable-hot-restart, and without --restart-epoch (a start script of hot-restarter.py: by " +
      "baton hot-restarter --safe)",
    ]);
    await clock.advance(60_000);
    assert.equal(reasons.length, 1);
  });

  test("says what it had accepted, which ends with it", TEST, () => {
    for (
      const [accepted, loss] of [
        [0, null],
        [1, "one connection that the failed one had accepted at its socket ended with that"],
        [3, "3 connections that the failed one had accepted at its socket ended with that"],
      ] as const
    ) {
      const { passed, seen } = scene([[]]);
      seen.accepted = accepted;
      assert.equal(passed.loss, null);
      passed.refuses(1);
      assert.equal(passed.loss, loss);
    }
  });

  test("does not mind what is closed again", TEST, async () => {
    const { clock, passed, reasons, seen } = scene([[inProgram(A)], [inProgram(B)], []]);
    passed.begin();
    await clock.advance(60_000);
    assert.deepEqual(reasons, []);
    assert.ok(seen.looks < 40, `${seen.looks} looks`);
  });

  test("looks no more when the candidate has passed its gate, or has ended", TEST, async () => {
    for (const isEnded of [true, false]) {
      const { clock, passed, reasons, seen } = scene([[inProgram(A)]]);
      passed.begin();
      if (isEnded) passed.end();
      else seen.isPending = false;
      await clock.advance(60_000);
      assert.deepEqual(reasons, []);
      assert.deepEqual([seen.looks, passed.refuses(1)], [0, isEnded]);
    }
  });

  test("fails at a listen(2) on one, at once", TEST, () => {
    const { passed, reasons } = scene([[]]);
    assert.equal(passed.refuses(3), false);
    assert.equal(passed.refuses(2), true);
    assert.match(reasons.join(), /^it listens on another generation's own socket, passed to it/);
  });
});

describe("othersSinceNow() has", () => {
  const member = (inode: number, epoch: number, more: Partial<Member> = {}) =>
    ({ inode, epoch, origin: null, owner: 5, ...more }) as Member;
  const cases: readonly [what: string, members: readonly Member[], inodes: readonly number[]][] = [
    ["the serving generation's", [member(1, 0), member(2, 1)], [1]],
    ["not one that both were given", [member(1, 0), member(1, 1)], []],
    ["not a socket of a service manager", [member(1, 0, { origin: "shared" })], []],
    ["not what baton has bound, and no process uses", [member(1, 0, { owner: 0 })], []],
    ["not a queue that waits for the next generation", [member(1, -2)], []],
    ["not of the crashed one that it replaces", [member(1, -1), member(3, 4)], []],
    ["of one that drains, too", [member(1, 0), member(2, 2)], [1, 2]],
  ];
  for (const [what, members, inodes] of cases) {
    test(what, TEST, () => {
      const listeners = new FakeListeners([{ members, text: "127.0.0.1:80" } as unknown as Group]);
      const found = othersSinceNow(listeners, 1, () => 4)().map(({ inode }) => inode);
      assert.deepEqual(found, inodes);
    });
  }
});

describe("othersSinceNow()", () => {
  const member = (inode: number, epoch: number) =>
    ({ inode, epoch, origin: null, owner: 5 }) as Member;

  test("has what was closed since, but not what it replaces", TEST, () => {
    const group = { members: [member(1, 0), member(2, 4)], text: "127.0.0.1:80" };
    const listeners = new FakeListeners([group as unknown as Group]);
    let replaced: number | null = null;
    const others = othersSinceNow(listeners, 7, () => replaced);
    const inodes = () => others().map(({ inode }) => inode);
    assert.deepEqual(inodes(), [1, 2]);
    group.members = [member(3, 0)];
    assert.deepEqual(inodes(), [1, 2, 3]);
    // baton has given it the queue of a deaf one.
    group.members = [member(3, 7)];
    assert.deepEqual(inodes(), [1, 2]);
    replaced = 0;
    assert.deepEqual(inodes(), [2]);
  });
});

describe("ownHandoffCure()", () => {
  const cases: readonly [programs: readonly string[], RegExp][] = [
    [["envoy", "python3"], /--disable-hot-restart/],
    [["sh", "haproxy"], /without -x, -sf and -st/],
    [["envoy-1.40"], /--disable-hot-restart/],
    [["app"], /switch off what passes them/],
  ];
  for (const [programs, pattern] of cases) {
    test(programs.join(), TEST, () => assert.match(ownHandoffCure(programs), pattern));
  }
});
