/** The helpers of the tests: what they promise when all is well, and what they say when it is not. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { createServer } from "node:net";
import process from "node:process";
import { describe, test } from "node:test";
import { accepts } from "../support/bare_server.ts";
import { freePort } from "../support/free_port.ts";
import * as proc from "../support/proc.ts";
import { tempDir } from "../support/temp_dir.ts";
import { waitUntil } from "../support/wait_until.ts";

const NO_PID = 2 ** 30; // above the kernel's largest pid_max, 2^22

describe("waitUntil()", () => {
  test("gives the first truthy value", async () => {
    const values = [0, null, "", "here"];
    assert.equal(await waitUntil(() => values.shift(), { what: "a value" }), "here");
  });

  test("takes an error for not yet", async () => {
    let calls = 0;
    const condition = () => {
      if (calls++ < 2) throw new Error("not yet");
      return calls;
    };
    assert.equal(await waitUntil(condition, { what: "no error" }), 3);
  });

  test("says what was awaited, and the last value", async () => {
    const waiting = waitUntil(() => ({ a: 1 }).a - 1, { what: "pigs fly", deadlineMs: 5 });
    await assert.rejects(waiting, /Waited 5 ms until pigs fly, in vain: last value was 0$/);
  });

  test("says the last error", async () => {
    const failing = () => Promise.reject(new Error("no wings"));
    const waiting = waitUntil(failing, { what: "pigs fly", deadlineMs: 5 });
    await assert.rejects(waiting, /last error was no wings$/);
  });

  test("tries once more after the deadline, when the condition itself is slow", async () => {
    const startedAt = performance.now();
    const slow = async () => {
      await new Promise((resolve) => setTimeout(resolve, 30));
      return performance.now() - startedAt > 40;
    };
    assert.equal(await waitUntil(slow, { what: "a slow condition", deadlineMs: 10 }), true);
  });
});

describe("tempDir()", () => {
  test("is removed with what is in it", () => {
    let path: string;
    {
      using dir = tempDir();
      path = dir.write("file", "content");
      assert.ok(existsSync(path));
    }
    assert.ok(!existsSync(path));
  });
});

describe("freePort()", () => {
  test("gives ports outside the ephemeral range, each once", async () => {
    const ports = await Promise.all(Array.from({ length: 50 }, freePort));
    assert.equal(new Set(ports).size, ports.length);
    for (const port of ports) assert.ok(port >= 10_240 && port < 32_768, String(port));
    assert.equal(await accepts(ports[0] as number), false);
  });
});

describe("proc", () => {
  test("sees a tree of processes, and killTree() ends it", async () => {
    const shell = spawn("sh", ["-c", "sleep 60 & sh -c 'sleep 60 & wait' & wait"]);
    const pid = shell.pid as number;
    const tree = await waitUntil(() => {
      const found = proc.children(pid);
      return found.length === 3 && found;
    }, { what: "three descendants run" });
    assert.ok([pid, ...tree].every(proc.alive));
    const sleeps = tree.filter((each) => proc.commandLine(each)[0] === "sleep");
    await waitUntil(
      () => tree.filter((each) => proc.commandLine(each)[0] === "sleep").length === 2,
      { what: `two of them sleep, ${sleeps.length} do` },
    );
    assert.equal(proc.killTree(pid).length, 4);
    await waitUntil(() => ![pid, ...tree].some(proc.alive), { what: "none is left" });
  });

  test("sees listeners, by process", async () => {
    const server = createServer();
    const port = await freePort();
    await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", () => resolve()));
    const own = proc.listeners(process.pid).filter((each) => each.port === port);
    assert.equal(own.length, 1);
    assert.equal(own[0]?.address, "127.0.0.1");
    assert.ok([...proc.openFds(process.pid).values()].includes(`socket:[${own[0]?.inode}]`));
    assert.equal(proc.listeners().filter((each) => each.port === port).length, 1);
    await new Promise((resolve) => server.close(resolve));
    assert.deepEqual(proc.listeners(process.pid).filter((each) => each.port === port), []);
  });

  test("reads state, start time, wake-ups and memory", async () => {
    assert.match(proc.state(process.pid) ?? "", /^[RS]$/);
    assert.ok((proc.startTime(process.pid) ?? 0) > 0);
    assert.ok((proc.privateMemoryBytes(process.pid) ?? 0) > 1_000_000);
    const before = proc.wakeups(process.pid);
    await waitUntil(() => proc.wakeups(process.pid) > before, { what: "we have slept" });
  });

  test("says nothing of a process that is gone", () => {
    assert.equal(proc.state(NO_PID), null);
    assert.equal(proc.alive(NO_PID), false);
    assert.equal(proc.startTime(NO_PID), null);
    assert.equal(proc.privateMemoryBytes(NO_PID), null);
    assert.equal(proc.wakeups(NO_PID), 0);
    assert.deepEqual(proc.children(NO_PID), []);
    assert.deepEqual(proc.commandLine(NO_PID), []);
    assert.equal(proc.openFds(NO_PID).size, 0);
    assert.deepEqual(proc.listeners(NO_PID), []);
    assert.deepEqual(proc.killTree(NO_PID), []);
  });
});
