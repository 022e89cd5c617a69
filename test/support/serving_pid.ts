/** The server that gets the new connections, by the status of its baton. */
import assert from "node:assert/strict";
import type { Snapshot } from "../../src/report/snapshot.ts";
import type { Baton } from "./baton.ts";

/** @returns the process id of the serving generation; fails where none serves */
export function servingPid({ generations }: Pick<Snapshot, "generations">): number {
  const pid = generations.find(({ state }) => state === "serving")?.pid;
  assert.ok(pid, JSON.stringify(generations, null, 1));
  return pid;
}

/** Asks now, whatever is under way. */
export async function servingPidOf(baton: Baton): Promise<number> {
  return servingPid(await baton.status());
}
