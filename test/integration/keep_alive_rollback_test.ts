/** A roll-back with `--keep-alive migrate`: keep-alive connections of the new generation move back to the old one. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { startBaton } from "../support/baton.ts";
import { freePort } from "../support/free_port.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { formatTally, Load } from "../support/load.ts";
import { place, server } from "../support/servers.ts";
import { tempDir } from "../support/temp_dir.ts";

const CLIENTS = 8;

test("kept connections move back to the old generation", { timeout: TEST_TIMEOUT_MS }, async () => {
  using work = tempDir();
  const port = await freePort();
  await using baton = await startBaton({
    ...place(server("node"), { port, workDir: work.path }),
    flags: ["--keep-alive", "migrate"],
  });
  assert.equal((await baton.cli("reload", "--hold")).code, 0);
  const kept = { port, clients: CLIENTS, mode: "keep-alive", thinkTimeMs: 5 } as const;
  await using load = new Load({ ...kept }).start();
  await load.answersMore(10 * CLIENTS);
  const { generations } = await baton.status();
  const [old, fresh] = generations.map(({ pid }) => pid!);
  assert.deepEqual([...load.tally.byBody.keys()], [fresh], "all are with the new one");
  assert.equal((await baton.cli("rollback")).code, 0);
  assert.equal((await baton.settled()).epoch, 0);
  const before = load.tally.byBody.get(fresh!);
  await load.answersMore(10 * CLIENTS);
  const tally = await load.stop();
  assert.equal(tally.lost, 0, `${formatTally(tally)}\n${baton.stderr}`);
  assert.equal(tally.byBody.get(fresh!), before);
  assert.ok((tally.byBody.get(old!) ?? 0) >= 10 * CLIENTS, formatTally(tally));
  assert.equal(tally.connections, CLIENTS, "no client had to reconnect");
});
