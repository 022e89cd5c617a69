/**
 * The promise of `--keep-alive migrate`: keep-alive connections, which other restarters close in the middle of a request,
 * continue with the new generation without a loss, whether clients pause or not. Where a server does not allow that, its
 * connections stay with it. `make test` covers one server of each kind of event loop once; test/long/ has all of them,
 * and 20 reloads.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type Baton, startBaton, UNDER_TEST } from "../support/baton.ts";
import { freePort } from "../support/free_port.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { formatTally, Load, type Tally } from "../support/load.ts";
import { FIXTURES } from "../support/programs.ts";
import { place, type Runnable, server, type ServerId } from "../support/servers.ts";
import { IS_FULL, repeats } from "../support/repeats.ts";
import { tempDir } from "../support/temp_dir.ts";

const RELOADS = repeats({ full: 3, quick: 1 });
/** Servers whose clients never pause. */
const BUSY: readonly ServerId[] = IS_FULL
  ? ["node", "bun", "deno", "go", "nginx", "uvicorn", "puma", "java"]
  : ["node", "puma"];
/** They close each connection after its answer. */
const STAYING: readonly ServerId[] = IS_FULL ? ["gunicorn", "python"] : ["gunicorn"];

interface Run {
  readonly id: ServerId | "gthread";
  readonly clients: number;
  readonly thinkTimeMs: number;
  readonly flags?: readonly string[];
}

interface Outcome {
  readonly tally: Tally;
  readonly moved: number;
  readonly log: string;
}

/** Waits in select(2), then reads in blocking mode. */
function gthread(port: number): Runnable {
  const options = ["--worker-class", "gthread", "--threads", "4", "--keep-alive", "60"];
  const place = ["--chdir", FIXTURES, "--bind", `127.0.0.1:${port}`, "wsgi_app:app"];
  return { command: ["gunicorn", ...options, ...place], env: {} };
}

async function reloads({ id, clients, thinkTimeMs, flags = [] }: Run): Promise<Outcome> {
  using work = tempDir();
  const port = await freePort();
  await using baton: Baton = await startBaton({
    ...id === "gthread" ? gthread(port) : place(server(id), { port, workDir: work.path }),
    flags: ["--keep-alive", "migrate", ...flags],
  });
  const load = new Load({ port, clients, thinkTimeMs, mode: "keep-alive", timeoutMs: 20_000 })
    .start();
  await load.answersMore(clients);
  let moved = 0;
  for (let i = 0; i < RELOADS; i++) {
    await baton.reload();
    const { lastReload } = await baton.settled();
    moved += lastReload?.connectionsKept?.moved ?? 0;
    await load.answersMore(clients);
  }
  return { tally: await load.stop(), moved, log: baton.stderr };
}

function say(run: Run, { tally, moved }: Outcome): void {
  const slowest = `slowest answer ${tally.maxLatencyMs.toFixed(0)} ms`;
  // deno-lint-ignore no-console
  console.log(
    `        ${run.id}, ${run.clients} clients, ${run.thinkTimeMs} ms of pause: ` +
      `${RELOADS} reloads, ${moved} moved, lost ${tally.lost} of ${tally.ok}, ${slowest}`,
  );
}

describe("keep-alive connections move at a reload", () => {
  const runs: Run[] = [
    ...BUSY.map((id) => ({ id, clients: 16, thinkTimeMs: 0 })),
    { id: "gthread", clients: 4, thinkTimeMs: 20 },
    { id: "java", clients: 16, thinkTimeMs: 20 },
    { id: "go", clients: 16, thinkTimeMs: 500 },
    { id: "nginx", clients: 256, thinkTimeMs: 20 },
  ];
  for (const run of runs) {
    const { id, clients, thinkTimeMs } = run;
    const skip = server(id === "gthread" ? "gunicorn" : id).needs() ?? false;
    const name = `${id}: ${clients} clients that pause for ${thinkTimeMs} ms`;
    test(`${name} lose nothing`, { timeout: TEST_TIMEOUT_MS, skip }, async () => {
      const outcome = await reloads(run);
      say(run, outcome);
      const { tally, moved, log } = outcome;
      assert.equal(tally.lost, 0, formatTally(tally) + log);
      // puma closes connections under load by itself: how many are open at a reload is its affair.
      const least = id === "puma" ? 1 : clients;
      assert.ok(moved >= least, `${moved} of ${clients} clients' connections moved: ${log}`);
    });
  }
});

describe("keep-alive connections stay", () => {
  for (const id of STAYING) {
    const skip = server(id).needs() ?? false;
    test(`${id}: its connections are not touched`, { timeout: TEST_TIMEOUT_MS, skip }, async () => {
      const run = { id, clients: 4, thinkTimeMs: 20, flags: ["--drain-time", "1s"] };
      const outcome = await reloads(run);
      say(run, outcome);
      assert.equal(outcome.moved, 0);
      assert.equal(outcome.tally.timedOut, 0, formatTally(outcome.tally));
    });
  }
});

test("no connection moves without the option", { timeout: TEST_TIMEOUT_MS }, async () => {
  const port = await freePort();
  using work = tempDir();
  await using baton = await startBaton(place(server("node"), { port, workDir: work.path }));
  await baton.reload();
  const { lastReload } = await baton.settled();
  assert.equal(lastReload?.connectionsKept, null, UNDER_TEST);
});
