/**
 * The promise: a database that must not run twice is restarted without a refused client and without lost data. Clients
 * wait in the queue for as long as the database itself takes to stop and to start; a version that does not start is
 * followed by the one before it.
 */
import assert from "node:assert/strict";
import process from "node:process";
import { describe, test } from "node:test";
import { Clients } from "../servers/clients.ts";
import { exchange } from "../servers/exchange.ts";
import { startBare } from "../support/bare_server.ts";
import { startBaton } from "../support/baton.ts";
import { type Database, DATABASES } from "../support/databases.ts";
import { freePort } from "../support/free_port.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { repeats } from "../support/repeats.ts";
import { tempDir } from "../support/temp_dir.ts";
import { waitUntil } from "../support/wait_until.ts";

const RESTARTS = repeats({ full: 10, quick: 3 });
const BARE_RESTARTS = repeats({ full: 5, quick: 2 });
const CLIENTS = 16;
const MOST_ADDED_MS = 100;
const MORE_EXCHANGES = 50;
const DEADLINE_MS = 60_000;

/** How long the server alone takes from its stop signal to the next one's first answer, each time. */
async function bareRestarts(
  { stopSignal, exchange: what }: Database,
  command: readonly string[],
  port: number,
): Promise<number[]> {
  const options = { command: [...command], env: {}, port };
  const took: number[] = [];
  const answers = () => exchange(port, what).then(() => true, () => false);
  let server = await startBare(options);
  try {
    await waitUntil(answers, { what: "it answers", deadlineMs: DEADLINE_MS });
    for (let i = 0; i < BARE_RESTARTS; i++) {
      const startedAt = performance.now();
      server.signal(stopSignal);
      await server.exited;
      server = await startBare(options);
      await waitUntil(answers, { what: "it answers again", deadlineMs: DEADLINE_MS });
      took.push(performance.now() - startedAt);
    }
  } finally {
    server.signal(stopSignal);
    await server.exited;
  }
  return took;
}

describe("stop-first", () => {
  for (const database of DATABASES) {
    const skip = database.needs() ?? false;
    const { name } = database;
    test(`${name}: ${RESTARTS} restarts refuse no client, and keep what it had`, {
      timeout: TEST_TIMEOUT_MS,
      skip,
    }, async () => {
      using dir = tempDir();
      const port = await freePort();
      const command = database.place(dir, port);
      const bare = await bareRestarts(database, command, port);
      await using baton = await startBaton({
        command,
        env: {},
        flags: ["--order", "stop-first", "--stop-signal", database.stopSignal.slice(3)],
      });
      await using clients = new Clients(port, database.exchange, CLIENTS);
      for (let n = 0; n < RESTARTS; n++) {
        await clients.more(MORE_EXCHANGES, DEADLINE_MS);
        await exchange(port, database.store(n));
        const { result, reason } = await baton.reload();
        assert.equal(result, "ok", `${reason}\n${baton.stderr}`);
        await exchange(port, database.recall(n));
      }
      await clients.more(MORE_EXCHANGES, DEADLINE_MS);
      await clients.stop();
      const story = `${name}: ${clients.ok} exchanges, ${clients.lost} lost; longest wait ` +
        `${clients.slowestMs.toFixed(0)} ms; alone it stops and starts in ` +
        `${bare.map((ms) => ms.toFixed(0)).join(", ")} ms`;
      process.stderr.write(`  ${story}\n`);
      const details = [story, ...clients.errors, baton.stderr].join("\n");
      assert.equal(clients.lost, 0, details);
      assert.ok(clients.slowestMs <= Math.max(...bare) + MOST_ADDED_MS, details);
      for (let n = 0; n < RESTARTS; n++) await exchange(port, database.recall(n));
      assert.doesNotMatch(baton.stderr + baton.stdout, database.recovery);
      assert.equal((await baton.stop()).code, 0, baton.stderr);
    });
  }
});
