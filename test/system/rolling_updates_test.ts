/**
 * System: pods end while a balancer, which hears of it 0, 1 or 3 s late, goes on sending to them; for servers that know
 * nothing of it, close at once, or ignore TERM.
 *
 * Allowed outcome: no request is lost, with baton as the main process or as the preStop hook. The same update under
 * the same grace period without baton loses some, with the server as process 1 (which a TERM without a handler does
 * not end) or below an init (which it does), and is printed beside.
 */
import assert from "node:assert/strict";
import process from "node:process";
import { describe, test } from "node:test";
import { UNDER_TEST } from "../support/baton.ts";
import { noKubesim, type Scenario } from "../support/kubesim.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { which } from "../support/programs.ts";
import { type Case, type Loss, lostBy } from "../support/rolling_update.ts";
import { server } from "../support/servers.ts";

/** At the same time; most of it is waiting. */
const AT_ONCE = 4;
const LAGS_MS = [3_000, 1_000, 0];
const WITH_BATON = ["entrypoint", "prestop"] as const;
const WITHOUT = ["bare", ...which("tini") === null ? [] : ["init"] as const] as const;
const SERVERS = (["node", "go", "python", "nginx", "ignores_term"] as const)
  .filter((id) => id === "ignores_term" || server(id).needs() === null);
/** The other runtime differs in nothing that depends on lag or form: rolling_update_test.ts is enough. */
const skip = UNDER_TEST === "bun" ? noKubesim : "once is enough: on Bun";
const OPTIONS = { skip, timeout: TEST_TIMEOUT_MS };

const FORMS: Readonly<Record<Scenario["form"], string>> = {
  entrypoint: "as main process",
  prestop: "as hook",
  sidecar: "as sidecar",
  bare: "without",
  init: "without, below tini",
};

/** Cells that run or have run: the first test begins them all. */
const losses = new Map<string, Promise<Loss>>();

const key = ({ server: id, form, lagMs }: Case) => `${id} ${form} ${lagMs}`;

function lossOf(cell: Case): Promise<Loss> {
  if (losses.size === 0) begin();
  return losses.get(key(cell)) as Promise<Loss>;
}

function begin(): void {
  const [longestMs = 0] = LAGS_MS;
  const cells = [
    ...LAGS_MS.flatMap((lagMs) => WITH_BATON.flatMap((form) => rowOf(form, lagMs))),
    ...WITHOUT.flatMap((form) => rowOf(form, longestMs)),
  ];
  const queue = cells.map((cell) => {
    const { promise, resolve, reject } = Promise.withResolvers<Loss>();
    // A failure is told by the test that asks for it, which may come late.
    promise.catch(() => {});
    losses.set(key(cell), promise);
    return () => lostBy(cell).then(resolve, reject);
  });
  for (let i = 0; i < AT_ONCE; i++) work(queue);
}

async function work(queue: (() => Promise<void>)[]): Promise<void> {
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) await next();
}

function rowOf(form: Scenario["form"], lagMs: number): Case[] {
  return SERVERS.map((id) => ({ server: id, form, lagMs }));
}

describe("rolling updates with a balancer that is late", () => {
  for (const lagMs of LAGS_MS) {
    for (const form of WITH_BATON) {
      test(`lag ${lagMs} ms, baton ${FORMS[form]}: nothing is lost`, OPTIONS, async () => {
        const row = await Promise.all(rowOf(form, lagMs).map(lossOf));
        for (const { text } of row) process.stdout.write(`${text.split("\n")[0]}\n`);
        assert.deepEqual(row.filter(({ lost }) => lost > 0).map(({ text }) => text), []);
      });
    }
  }

  test("the same without baton: every server loses something", OPTIONS, async () => {
    const [lagMs = 0] = LAGS_MS;
    const without = new Map<string, number>();
    for (const id of SERVERS) {
      const cells = [...WITH_BATON, ...WITHOUT].map(async (form) => {
        const { ok, lost } = await lossOf({ server: id, form, lagMs });
        if (form === "bare" || form === "init") without.set(id, (without.get(id) ?? 0) + lost);
        return `${FORMS[form]} ${lost} of ${ok + lost}`;
      });
      process.stdout.write(
        `lost, lag ${lagMs} ms: ${id}: ${(await Promise.all(cells)).join("; ")}\n`,
      );
    }
    assert.deepEqual([...without].filter(([, lost]) => lost === 0), [], "counter-proof");
  });
});
