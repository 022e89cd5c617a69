/** What the tests of unusual listeners share: reloads, requests, and who answers them. */
import assert from "node:assert/strict";
import { type Baton } from "./baton.ts";
import { formatTally, Load, type LoadOptions, type Tally } from "./load.ts";
import { findPython, FIXTURES, required } from "./programs.ts";
import { waitUntil } from "./wait_until.ts";

/** Answers in a row that show where new connections go. */
const ENOUGH_ANSWERS = 200;

export function python(path: string): string[] {
  return [required("python3", findPython()), path];
}

export function withFixtures(
  port: number,
  more: Record<string, string> = {},
): Record<string, string> {
  return { PORT: String(port), PYTHONPATH: FIXTURES, PYTHONDONTWRITEBYTECODE: "1", ...more };
}

export async function reload(baton: Baton, times = 1): Promise<void> {
  for (let i = 0; i < times; i++) {
    const report = await baton.reload();
    assert.equal(report.result, "ok", `${report.reason}\n${baton.stderr}`);
    await baton.settled();
  }
}

/** How many members at each address get connections, and how many do not. */
export async function members(baton: Baton): Promise<Record<string, { yes: number; no: number }>> {
  const { listeners } = await baton.status();
  return Object.fromEntries(listeners.map(({ address, members }) => {
    const yes = members.filter(({ receiving }) => receiving).length;
    return [address, { yes, no: members.length - yes }];
  }));
}

export function show(tally: Tally, baton: Baton): string {
  return `${formatTally(tally)}\n${baton.stderr}`;
}

export async function assertNothingLost(load: Load, baton: Baton): Promise<Tally> {
  const tally = await load.stop();
  assert.equal(tally.lost, 0, show(tally, baton));
  assert.ok(tally.ok > 0, show(tally, baton));
  return tally;
}

/** One request. */
export function ask(port: number, more: LoadOptions = {}): Promise<Tally> {
  return new Load({ port, clients: 1, maxRequests: 1, ...more }).start().finished();
}

/** Waits until ENOUGH_ANSWERS in a row come from `pid`: until baton has heard the news, some may not. */
export async function getsAll(load: Load, pid: number): Promise<void> {
  const others = () => load.tally.ok - (load.tally.byBody.get(pid) ?? 0);
  let [from, othersBefore] = [load.tally.ok, others()];
  await waitUntil(() => {
    if (others() > othersBefore) [from, othersBefore] = [load.tally.ok, others()];
    return load.tally.ok >= from + ENOUGH_ANSWERS;
  }, { what: `process ${pid} answers all` });
}
