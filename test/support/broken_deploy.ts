/** A broken version is deployed, and a good one after it: what must be true of both. */
import { formatTally, Load } from "./load.ts";
import { waitUntil } from "./wait_until.ts";

const ENOUGH_REQUESTS = 20;

/** Waits until this version has answered a few more requests of the load. */
export async function answered(load: Load, version: string): Promise<void> {
  const count = () => load.tally.byVersion.get(version) ?? 0;
  const before = count();
  await waitUntil(() => count() >= before + ENOUGH_REQUESTS, {
    what: `version ${version} answers: ${formatTally(load.tally)}`,
  });
}
