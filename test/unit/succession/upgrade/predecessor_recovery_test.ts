/** What is left of a baton: a server that runs, and none that has ended and only waits to be reaped. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import { processStat } from "../../../../src/platform/process/proc.ts";
import { PredecessorRecovery } from "../../../../src/succession/upgrade/predecessor_recovery.ts";
import type { HandoverState } from "../../../../src/succession/upgrade/protocol.ts";
import { testPlatform } from "../../../support/test_platform.ts";
import { waitUntil } from "../../../support/wait_until.ts";

test("PredecessorRecovery.survivor() is a server that runs, and no zombie", async () => {
  await using platform = await testPlatform();
  // A parent that never reaps: its child goes when it gets a line, and is a zombie from then on.
  const script = 'head -n 1 <&3 >/dev/null 3<&0 & echo "$!"; exec sleep 1000';
  const parent = spawn("sh", ["-c", `exec 3<&0; ${script}`], { stdio: ["pipe", "pipe", "ignore"] });
  try {
    const [line] = await once(parent.stdout, "data");
    const pid = Number(String(line));
    const startTime = processStat(pid)?.startTime ?? NaN;
    const survivorOf = (startTime: number) => {
      const survivors = [{ pid, startTime, number: 0 }];
      const state = { epoch: 3, startedAt: "", notified: false, survivors };
      return new PredecessorRecovery(platform, "/nowhere", state as HandoverState & typeof state)
        .survivor();
    };
    assert.deepEqual(
      [survivorOf(startTime)?.workers[0]?.pid, survivorOf(startTime + 1)?.workers[0]?.pid],
      [pid, undefined],
    );
    parent.stdin.end("\n");
    await waitUntil(() => processStat(pid)?.state === "Z", { what: "it has ended" });
    assert.equal(survivorOf(startTime), null);
  } finally {
    const ended = once(parent, "close");
    parent.kill("SIGKILL");
    await ended;
  }
});
