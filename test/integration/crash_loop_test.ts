/** The promise: a server that keeps crashing is started again after longer and longer delays, and is given up in the end. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type Baton, startBaton } from "../support/baton.ts";
import { freePort } from "../support/free_port.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { Load } from "../support/load.ts";
import { servingPid } from "../support/serving_pid.ts";
import { tempDir } from "../support/temp_dir.ts";
import { waitUntil } from "../support/wait_until.ts";
import { allAnswered, broken, kill, node, serves, start, waiting } from "../support/crashing.ts";

const TEST = { timeout: TEST_TIMEOUT_MS };

const WAITING = 5;

const LONG_DELAY = ["--crash-delay", "60s", "--crash-delay-max", "60s"];

const EXIT_KILLED = 137;

describe("a server that keeps crashing", () => {
  test("is given more and more time, and is given up in the end", TEST, async () => {
    const port = await freePort();
    const limits = ["--crash-delay", "150ms", "--crash-delay-max", "500ms", "--crash-limit", "5"];
    await using baton = await startBaton({
      ...broken("dies_in_gate.js", port, 300),
      flags: [...limits, "--log-format", "json"],
      expectFailure: true,
    });
    assert.deepEqual(await baton.exited, { code: 5, signal: null }, baton.stderr);
    const lines = baton.stderr.trimEnd().split("\n").filter((line) => line.startsWith("{"))
      .map((line) => JSON.parse(line) as { time: string; message: string });
    const delays = lines.flatMap(({ message }) =>
      /^starts again in (\d+) ms$/.exec(message)?.[1] ?? []
    ).map(Number);
    assert.deepEqual(delays, [0, 150, 300, 500, 500]);
    const times = (pattern: RegExp) =>
      lines.filter(({ message }) => pattern.test(message)).map(({ time }) => Date.parse(time));
    const crashed = times(/^generation \d+ crashed: exit status 5$/);
    const starts = times(/^generation \d+ starts$/);
    assert.deepEqual([crashed.length, starts.length], [6, 6]);
    delays.forEach((delay, i) => {
      const waited = (starts[i + 1] ?? 0) - (crashed[i] ?? 0);
      assert.ok(waited >= delay - 2, `waited ${waited} ms of ${delay}`); // Clocks are rounded.
    });
    const last = lines.map(({ message }) => message).slice(-3).join("\n");
    assert.match(last, /giving up after 6 crashes in a row \(--crash-limit\)/);
  });

  test("a reload does not wait for the delay to pass", TEST, async () => {
    using work = tempDir();
    const port = await freePort();
    const { baton: started, deploy } = await start(work, node(port), LONG_DELAY);
    await using baton = started;
    await using load = await waitsAMinute(baton, port);
    deploy(node(port, "2"));
    const { code, stderr } = await baton.cli("reload");
    assert.equal(code, 0, stderr);
    await allAnswered(load, baton);
    assert.deepEqual([...load.tally.byVersion], [["2", WAITING]]);
  });

  test("a stop does not wait for the delay to pass", TEST, async () => {
    using work = tempDir();
    const port = await freePort();
    const { baton: started } = await start(work, node(port), LONG_DELAY);
    await using baton = started;
    await using _load = await waitsAMinute(baton, port);
    assert.deepEqual(await baton.stop(), { code: 0, signal: null }, baton.stderr);
  });

  test("by the limit of 1 is started again once", TEST, async () => {
    const port = await freePort();
    await using baton = await startBaton({ ...node(port), flags: ["--crash-limit", "1"] });
    kill(servingPid(await baton.settled()));
    kill(servingPid(await serves(baton, 1)));
    assert.deepEqual(await baton.exited, { code: EXIT_KILLED, signal: null }, baton.stderr);
  });
});

/** Crashes twice: the second time baton waits for a minute, and so do the connections in the queue. */
async function waitsAMinute(baton: Baton, port: number): Promise<Load> {
  kill(servingPid(await baton.settled()));
  await serves(baton, 1);
  const load = await waiting(baton, port);
  kill(servingPid(await baton.status()));
  await waitUntil(() => /starts again in 60000 ms/.test(baton.stderr), { what: "it waits" });
  return load;
}
