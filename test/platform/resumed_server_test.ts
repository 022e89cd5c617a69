/** A server that an earlier baton started is known from the moment on in which it is resumed. proc(5) */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { describe, test } from "node:test";
import type { Platform } from "../../src/platform/platform.ts";
import { processStat } from "../../src/platform/process/proc.ts";
import { Children } from "../../src/process/children.ts";
import { ServerProcess } from "../../src/process/server_process.ts";
import { waitUntil } from "../support/wait_until.ts";

const REMAINS = { isForeign: true, filter: null, outputs: [] };

/** It becomes no subreaper, and reaps nothing: the children here are the runtime's. */
const platform = {
  processes: { becomeSubreaper: () => {} },
  runtime: { onSignal: () => () => {}, pid: 0 },
} as unknown as Platform;

function resume(pid: number, startTime: number) {
  const children = new Children(platform, () => {});
  const exits: (string | number)[] = [];
  const server = new ServerProcess(platform, children, {
    epoch: 3,
    worker: 0,
    onNotification: () => {},
    calls: () => ({ lettingPass: true, isAwaited: () => false }),
    onPrepared: () => {},
    onLaunchFailed: () => {},
    onLeaderExit: ({ kind }, remaining) => exits.push(kind, remaining),
    holdsMember: () => false,
    onAllExited: () => exits.push("all"),
  });
  server.resume({ pid, startTime, exitStatus: null }, REMAINS);
  return { server, children, exits };
}

describe("ServerProcess.resume()", () => {
  test("its processes are found before it is followed", async () => {
    const child = spawn("sleep", ["60"], { stdio: "ignore" });
    try {
      const pid = child.pid!;
      const { startTime } = await waitUntil(() => processStat(pid), { what: "it runs" });
      const { server, children } = resume(pid, startTime);
      assert.deepEqual(server.processes(), [pid]);
      assert.deepEqual(children.leaders(), [pid]);
    } finally {
      child.kill("SIGKILL");
    }
  });

  test("another process with its number is not it, and its exit is found out", async () => {
    const child = spawn("sleep", ["60"], { stdio: "ignore" });
    try {
      const pid = child.pid!;
      const { startTime } = await waitUntil(() => processStat(pid), { what: "it runs" });
      const { server, children, exits } = resume(pid, startTime - 1);
      assert.deepEqual(server.processes(), []);
      server.catchUp();
      assert.deepEqual(children.leaders(), []);
      assert.deepEqual(exits, ["unknown", 0]);
    } finally {
      child.kill("SIGKILL");
    }
  });
});
