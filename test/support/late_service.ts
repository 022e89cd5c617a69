/** A service that has served for a while, and opens a second port then: a listener that is late. */
import assert from "node:assert/strict";
import process from "node:process";
import type { Snapshot } from "../../src/report/snapshot.ts";
import { type Baton, startBaton } from "./baton.ts";
import { freePort } from "./free_port.ts";
import { formatTally, type Load } from "./load.ts";
import { fixtureCommand } from "./servers.ts";
import { waitUntil } from "./wait_until.ts";

const ENOUGH_ANSWERS = 20;

export interface LateService {
  readonly baton: Baton;
  readonly port: number;
  readonly late: number;
  readonly address: string;
}

/** Waits until the server has served for long enough to be started again at once when it crashes. */
export async function isSettled(baton: Baton): Promise<void> {
  await waitUntil(() => baton.stderr.includes('{"kind":"healthy","epoch":0}'), {
    what: "it has served for a while",
  });
}

/**
 * @param command opens LATER_PORT at SIGUSR2
 * @param settles it has served for long before that
 */
export async function startLate(
  readyTimeout: string,
  flags: readonly string[] = [],
  command: string[] = fixtureCommand("binds_later.js"),
  settles = false,
): Promise<LateService> {
  const [port, late] = [await freePort(), await freePort()];
  const baton = await startBaton({
    command,
    env: { PORT: String(port), LATER_PORT: String(late) },
    flags: ["--ready-timeout", readyTimeout, "--log-level", "debug", ...flags],
  });
  if (settles) await isSettled(baton);
  const service = { baton, port, late, address: `127.0.0.1:${late}` };
  await opensLate(service, 0);
  return service;
}

export function pidOf({ generations }: Snapshot, epoch: number): number {
  const pid = generations.find((each) => each.epoch === epoch)?.pid;
  assert.ok(pid, JSON.stringify(generations));
  return pid;
}

/** Generation `epoch` listens at the second port from here on. */
export async function opensLate(
  { baton, address }: Pick<LateService, "baton" | "address">,
  epoch: number,
): Promise<void> {
  process.kill(pidOf(await baton.status(), epoch), "SIGUSR2");
  await waitUntil(() => baton.stderr.includes(`generation ${epoch} listens at ${address}`), {
    what: `generation ${epoch} listens at ${address}\n${baton.stderr}`,
  });
}

export async function answersOf(load: Load, pid: number): Promise<void> {
  const count = () => load.tally.byBody.get(pid) ?? 0;
  const from = count();
  await waitUntil(() => count() >= from + ENOUGH_ANSWERS, {
    what: `process ${pid} answers: ${formatTally(load.tally)}`,
  });
}

export async function stateOf(baton: Baton, epoch: number): Promise<string | undefined> {
  return (await baton.status()).generations.find((each) => each.epoch === epoch)?.state;
}

export async function nothingLost(load: Load, baton: Baton): Promise<void> {
  const tally = await load.stop();
  assert.equal(tally.lost, 0, `${formatTally(tally)}\n${baton.stderr}`);
}
