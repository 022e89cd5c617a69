/** Which threads of a server could be printing, although nothing has come for a moment. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import process from "node:process";
import { describe, test } from "node:test";
import { haveRun, isAsleep, runningThreads } from "../../../../src/platform/process/rest.ts";
import { TEST_TIMEOUT_MS } from "../../../support/limits.ts";
import { findPython } from "../../../support/programs.ts";
import { waitUntil } from "../../../support/wait_until.ts";

type Threads = [tid: number, ranNs: number | null][];

const CASES: [what: string, before: Threads, after: Threads, isOver: boolean][] = [
  ["no thread ran at the first look", [], [[1, 5]], true],
  ["one has gone to sleep", [[1, 5]], [], true],
  ["one has run for long enough", [[1, 5]], [[1, 105]], true],
  ["one has had no processor", [[1, 5]], [[1, 5]], false],
  ["one has run for too short a time", [[1, 5]], [[1, 104]], false],
  ["one of two has had no processor", [[1, 5], [2, 5]], [[1, 200], [2, 5]], false],
  ["the kernel does not say how long it ran", [[1, null]], [[1, null]], false],
];

describe("whether each thread that ran has had its turn", () => {
  for (const [what, before, after, isOver] of CASES) {
    test(what, () => assert.equal(haveRun(new Map(before), new Map(after), 100), isOver));
  }
});

const python = findPython();
const threadsOf = (pid: number) => readdirSync(`/proc/${pid}/task`).length;

test("a thread that computes runs beside one that sleeps", {
  timeout: TEST_TIMEOUT_MS,
  skip: python === null ? "python3 is not installed" : false,
}, async () => {
  const script = "import threading, time\n" +
    "threading.Thread(target=time.sleep, args=(999,), daemon=True).start()\n" +
    "while True: pass\n";
  const child = spawn(python!, ["-c", script], { stdio: "ignore" });
  const exited = once(child, "exit");
  try {
    const pid = child.pid ?? 0;
    const before = await waitUntil(() => {
      const running = runningThreads(pid);
      return threadsOf(pid) === 2 && running.size === 1 && running;
    }, { what: "one of two threads runs" });
    assert.deepEqual([...before.keys()], [pid]);
    await waitUntil(() => haveRun(before, runningThreads(pid), 1_000_000), { what: "it has run" });
    assert.equal(isAsleep(pid), false);
  } finally {
    process.kill(child.pid ?? 0, "SIGKILL");
    await exited;
  }
});
