/**
 * The promise: a database that must not run twice is restarted without a refused client, a client that meets it before
 * it is ready, or lost data. Clients wait for as long as it takes itself to stop and to start. After a version that does
 * not start the one before it runs again.
 */
import assert from "node:assert/strict";
import process from "node:process";
import { describe, test } from "node:test";
import type { LastReload } from "../../src/report/snapshot.ts";
import { Clients } from "../servers/clients.ts";
import { type Exchange, exchange, type Place } from "../servers/exchange.ts";
import { startBare } from "../support/bare_server.ts";
import { startBaton } from "../support/baton.ts";
import { type Database, DATABASES, released } from "../support/databases.ts";
import { freePort } from "../support/free_port.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { commandLine } from "../support/proc.ts";
import { IS_FULL, repeats } from "../support/repeats.ts";
import { servingPid } from "../support/serving_pid.ts";
import { tempDir } from "../support/temp_dir.ts";
import { waitUntil } from "../support/wait_until.ts";

const RESTARTS = repeats({ full: 10, quick: 3 });
const BARE_RESTARTS = repeats({ full: 5, quick: 2 });
const CLIENTS = 16;
const MOST_ADDED_MS = 100;
const MORE_EXCHANGES = repeats({ full: 200, quick: 30 });
const DEADLINE_MS = 60_000;

/** Clients wait for as long as it takes: none is to measure the machine's speed. */
function patient(what: Exchange): Exchange {
  return { ...what, timeoutMs: TEST_TIMEOUT_MS };
}

/** How long the server alone takes from its stop signal to the next one's first answer, each time. */
async function aloneMs(
  database: Database,
  command: string[],
  port: number,
  place: Place,
): Promise<number[]> {
  const { stopSignal, exchange: what } = database;
  const options = { command, env: {}, port };
  const answers = () => exchange(place, what).then(() => true, () => false);
  const took: number[] = [];
  let server = await startBare(options);
  try {
    await waitUntil(answers, { what: "it answers", deadlineMs: DEADLINE_MS });
    for (let i = 0; i < BARE_RESTARTS; i++) {
      const startedAt = performance.now();
      server.signal(stopSignal);
      await server.exited;
      server = await startBare(options);
      await waitUntil(answers, { what: "it answers again", deadlineMs: DEADLINE_MS });
      took.push(Math.round(performance.now() - startedAt));
    }
  } finally {
    server.signal(stopSignal);
    await server.exited;
  }
  return took;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? NaN;
}

function courseOf({ held, phases }: LastReload): string {
  const course = phases.map(({ phase, durationMs }) => `${phase} ${durationMs}`).join(", ");
  return `held for ${held?.durationMs} ms (${course})`;
}

/** Its own part: to stop, and to start. */
function serverMs({ phases }: LastReload): number {
  const own = phases.filter(({ phase }) => phase === "stopping" || phase === "starting");
  return own.reduce((sum, { durationMs }) => sum + (durationMs ?? 0), 0);
}

/** The same over its Unix socket is for `make test-all`. */
const OVER = IS_FULL ? ["TCP", "its Unix socket"] as const : ["TCP"] as const;

describe("stop-first", () => {
  for (
    const [database, over] of DATABASES.flatMap((each) => OVER.map((how) => [each, how] as const))
  ) {
    const { name, stopSignal } = database;
    test(`${name} over ${over}: ${RESTARTS} restarts, and one with a version that does not start`, {
      timeout: TEST_TIMEOUT_MS,
      skip: database.needs() ?? false,
    }, async () => {
      using dir = tempDir();
      const port = await freePort();
      const placed = database.place(dir, port);
      const place = over === "TCP" ? port : placed.socket;
      const { command, deploy, restore } = released(dir, placed);
      const alone = await aloneMs(database, command, port, place);
      await using baton = await startBaton({
        command,
        env: {},
        flags: ["--order", "stop-first", "--stop-signal", stopSignal.slice(3)],
      });
      // Its first start: it listens, and refuses its clients until it is up.
      const answers = () =>
        exchange(place, patient(database.exchange)).then(() => true, () => false);
      await waitUntil(answers, { what: `${name} is up` });
      await using clients = new Clients(place, patient(database.exchange), CLIENTS);
      const added: number[] = [];
      const courses: string[] = [];
      for (let n = 0; n < RESTARTS; n++) {
        await clients.more(MORE_EXCHANGES, DEADLINE_MS);
        await exchange(place, patient(database.store(n)));
        const { result, reason } = await baton.reload();
        assert.equal(result, "ok", `${reason}\n${baton.stderr}`);
        const { lastReload } = await baton.status();
        assert.ok(lastReload?.held);
        added.push(lastReload.held.durationMs - serverMs(lastReload));
        courses.push(courseOf(lastReload));
        await exchange(place, patient(database.recall(n)));
      }
      const { slowestMs } = clients;
      deploy();
      const { code, stdout, stderr } = await baton.cli("reload", "--name", "web");
      const said = `${stdout}\n${stderr}\n${baton.stderr}`;
      assert.equal(code, 70, said);
      assert.match(said, /runs the version before it again/);
      await exchange(place, patient(database.recall(0)));
      const serving = commandLine(servingPid(await baton.status()));
      assert.ok(serving.some((word) => word.includes("releases/1/server")), serving.join(" "));
      await clients.more(MORE_EXCHANGES, DEADLINE_MS);
      restore();
      assert.equal((await baton.reload()).result, "ok", baton.stderr);
      await clients.more(MORE_EXCHANGES, DEADLINE_MS);
      await clients.stop();

      const story =
        `${name} over ${over}: ${clients.ok} exchanges, ${clients.lost} lost; longest wait ` +
        `${slowestMs.toFixed(0)} ms; alone it stops and starts in ${alone.join(", ")} ms\n` +
        courses.map((course) => `    ${course}`).join("\n");
      process.stderr.write(`  ${story}\n`);
      const details = [story, ...clients.errors, baton.stderr].join("\n");
      assert.equal(clients.lost, 0, details);
      // Beside other tests a busy machine adds more than baton does.
      if (IS_FULL) assert.ok(median(added) <= MOST_ADDED_MS, `${added.join(", ")}\n${details}`);
      for (let n = 0; n < RESTARTS; n++) await exchange(place, patient(database.recall(n)));
      assert.doesNotMatch(baton.stderr + baton.stdout, database.recovery);
      assert.equal((await baton.stop()).code, 0, baton.stderr);
    });
  }
});
