/** Which threads of a server could be printing, although nothing has come for a moment. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import process from "node:process";
import { describe, test } from "node:test";
import {
  isAsleep,
  nextTurns,
  NO_TURNS,
  runningThreads,
  type Turns,
} from "../../../../src/platform/process/rest.ts";
import { TEST_TIMEOUT_MS } from "../../../support/limits.ts";
import { findPython } from "../../../support/programs.ts";
import { waitUntil } from "../../../support/wait_until.ts";

type Threads = [tid: number, ranNs: number | null][];

const CASES: [what: string, looks: Threads[], waiting: number[]][] = [
  ["no thread runs", [[], []], []],
  ["one has gone to sleep", [[[1, 5]], []], []],
  ["one has run for long enough", [[[1, 5]], [[1, 105]]], []],
  ["one has had no processor", [[[1, 5]], [[1, 5]]], [1]],
  ["one has run for too short a time", [[[1, 5]], [[1, 104]]], [1]],
  ["one of two has had no processor", [[[1, 5], [2, 5]], [[1, 200], [2, 5]]], [2]],
  ["the kernel does not say how long it ran", [[[1, null]], [[1, null]]], [1]],
  ["one slept at first, and has had no processor since it woke", [[], [[1, 5]]], [1]],
  ["the same, and it has slept again", [[], [[1, 5]], []], []],
  ["one wakes a second time", [[[1, 5]], [], [[1, 6]]], []],
  ["one runs in three looks, long enough in all", [[[1, 0]], [[1, 60]], [[1, 100]]], []],
];

describe("which threads have had no turn yet", () => {
  for (const [what, looks, waiting] of CASES) {
    test(what, () => {
      const turns = looks.reduce<Turns>(
        (before, running) => nextTurns(before, new Map(running), 100),
        NO_TURNS,
      );
      assert.deepEqual([...turns.waiting.keys()], waiting);
    });
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
      // While the second one starts, it is the first that sleeps.
      return threadsOf(pid) === 2 && running.size === 1 && running.has(pid) && running;
    }, { what: "the first of two threads runs, and the other sleeps" });
    const first = nextTurns(NO_TURNS, before, 1_000_000);
    const isOver = () => nextTurns(first, runningThreads(pid), 1_000_000).over.has(pid);
    await waitUntil(isOver, { what: "it has run" });
    assert.equal(isAsleep(pid), false);
  } finally {
    process.kill(child.pid ?? 0, "SIGKILL");
    await exited;
  }
});
