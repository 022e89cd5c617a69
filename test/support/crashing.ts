/** Servers that are killed, and clients that wait for the next one. */
import assert from "node:assert/strict";
import process from "node:process";
import type { Snapshot } from "../../src/report/snapshot.ts";
import { type Baton, startBaton } from "./baton.ts";
import { TEST_TIMEOUT_MS } from "./limits.ts";
import { formatTally, Load } from "./load.ts";
import { children, stopForGood } from "./proc.ts";
import { deploy, fixtureCommand, type Runnable } from "./servers.ts";
import { servingPid } from "./serving_pid.ts";
import { type TempDir } from "./temp_dir.ts";
import { waitUntil } from "./wait_until.ts";

const TEST = { timeout: TEST_TIMEOUT_MS };

const WAITING = 5;

export function node(port: number, version = "1"): Runnable {
  return {
    command: fixtureCommand("node_http.js"),
    env: { PORT: String(port), VERSION: version },
  };
}

export function broken(name: string, port: number, ms = 100): Runnable {
  return {
    command: fixtureCommand(name),
    env: { PORT: String(port), VERSION: "broken", MS: String(ms) },
  };
}

/** A service whose next start is what was deployed last. */
export async function start(work: TempDir, first: Runnable, flags: readonly string[] = []) {
  const targetFile = work.join("target");
  deploy(targetFile, first);
  const baton = await startBaton({
    command: fixtureCommand("switch.sh"),
    env: { TARGET_FILE: targetFile },
    flags,
  });
  return { baton, deploy: (next: Runnable) => deploy(targetFile, next) };
}

/** Waits until this generation serves alone. */
export function serves(baton: Baton, epoch: number): Promise<Snapshot> {
  return waitUntil(async () => {
    const snapshot = await baton.settled();
    return snapshot.epoch === epoch && snapshot;
  }, { what: `generation ${epoch} serves\n${baton.stderr}`, deadlineMs: 30_000 });
}

export function kill(pid: number): void {
  process.kill(pid, "SIGKILL");
}

/** Connections that wait in the queue, with their requests: the server is stopped, and accepts none. */
export async function waiting(baton: Baton, port: number): Promise<Load> {
  const pid = servingPid(await baton.status());
  for (const process of [pid, ...children(pid)]) await stopForGood(process);
  const clients = { port, clients: WAITING, maxRequests: WAITING, timeoutMs: TEST.timeout };
  const load = new Load(clients).start();
  await waitUntil(async () => backlog(await baton.status()) === WAITING, {
    what: "the connections wait",
  });
  return load;
}

export function backlog({ listeners }: Snapshot): number {
  return listeners.flatMap(({ members }) => members).reduce((sum, each) => sum + each.backlog, 0);
}

export async function allAnswered(load: Load, baton: Baton): Promise<void> {
  const tally = await load.finished();
  assert.deepEqual([tally.ok, tally.lost], [WAITING, 0], `${formatTally(tally)}\n${baton.stderr}`);
}
