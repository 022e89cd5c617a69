/** A broken version is deployed, and a good one after it: what must be true of both. */
import assert from "node:assert/strict";
import type { Snapshot } from "../../src/report/snapshot.ts";
import { formatTally, Load } from "./load.ts";
import { waitUntil } from "./wait_until.ts";

const ENOUGH_REQUESTS = 20;

export function servingPid(snapshot: Snapshot): number {
  const serving = snapshot.generations.find(({ state }) => state === "serving");
  assert.ok(serving?.pid, JSON.stringify(snapshot, null, 1));
  return serving.pid;
}

/** Waits until this version has answered a few more requests of the load. */
export async function answered(load: Load, version: string): Promise<void> {
  const count = () => load.tally.byVersion.get(version) ?? 0;
  const before = count();
  await waitUntil(() => count() >= before + ENOUGH_REQUESTS, {
    what: `version ${version} answers: ${formatTally(load.tally)}`,
  });
}
