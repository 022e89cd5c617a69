/**
 * The promise: whatever the old generation was doing when it was replaced, it finishes; for a server that handles no
 * signal at all too, because baton drains it from outside (quiesce).
 *
 * What is promised for connections that clients keep: one that is silent is no obstacle and is closed between two
 * requests; one that is in use holds the old generation, at most for --drain-time. Not promised: the request that is
 * on such a connection at that moment, or is sent at the very moment of the stop signal. Nothing else is ever cut,
 * and what is cut is counted.
 */
import assert from "node:assert/strict";
import { createConnection } from "node:net";
import process from "node:process";
import { describe, test } from "node:test";
import type { GenerationView } from "../../src/report/snapshot.ts";
import { type Baton, startBaton } from "../support/baton.ts";
import { freePort } from "../support/free_port.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { formatTally, Load, type Tally } from "../support/load.ts";
import { alive } from "../support/proc.ts";
import { findPython, FIXTURES, required } from "../support/programs.ts";
import { repeats } from "../support/repeats.ts";
import {
  fixtureCommand,
  place,
  type RealServer,
  server,
  type ServerId,
} from "../support/servers.ts";
import { SideBySide } from "../support/side_by_side.ts";
import { tempDir } from "../support/temp_dir.ts";
import { waitUntil } from "../support/wait_until.ts";

const RELOADS = repeats({ full: 10, quick: 2 });
/** One-second requests at the same time: as many are in flight at any moment. */
const CLIENTS = 42;
/** Longer than any request of these tests. */
const PATIENCE_MS = 30_000;
const LOST_AT_MOST_REMEMBERED = 10;

/** A node server that has no signal handler: TERM cuts whatever it is doing. */
function unaware(port: number, ...flags: string[]): Promise<Baton> {
  return startBaton({
    command: fixtureCommand("node_http.js"),
    env: { PORT: String(port) },
    flags,
  });
}

/** `clients` requests of `ms` each, all at once, and no more. */
function inFlight(port: number, clients: number, ms: number): Load {
  const path = `/slow?ms=${ms}`;
  return new Load({ port, clients, maxRequests: clients, path, timeoutMs: PATIENCE_MS }).start();
}

async function generation(baton: Baton, epoch: number): Promise<GenerationView> {
  const { generations } = await baton.status();
  const found = generations.find((each) => each.epoch === epoch);
  assert.ok(found, `generation ${epoch} is known`);
  return found;
}

/** Waits until `count` requests are seen to be under way in the generation, and gives its pid. */
function busy(baton: Baton, epoch: number, count: number): Promise<number> {
  return waitUntil(async () => {
    const { connections, pid } = await generation(baton, epoch);
    return connections.busy === count && pid;
  }, { what: `generation ${epoch} works on ${count} requests` });
}

function inState(baton: Baton, epoch: number, state: string): Promise<true> {
  return waitUntil(async () => (await generation(baton, epoch)).state === state, {
    what: `generation ${epoch} is ${state}`,
    deadlineMs: PATIENCE_MS,
  }) as Promise<true>;
}

async function reload(baton: Baton): Promise<void> {
  const report = await baton.reload();
  assert.equal(report.result, "ok", report.reason ?? "");
}

function show(tally: Tally, baton: Baton): string {
  return `${formatTally(tally)}\n${baton.stderr}`;
}

/** The first thread ends, and with it all that /proc/PID shows of the process; the others serve on. */
const HEADLESS = `
import ctypes, platform, threading
from python_threaded import HOST, PORT, Handler, Server
threading.Thread(target=Server((HOST, PORT), Handler).serve_forever).start()
ctypes.CDLL(None).syscall(60 if platform.machine() == "x86_64" else 93, 0)
`;

test("a server whose first thread has ended: what is in flight is finished", {
  timeout: TEST_TIMEOUT_MS,
}, async () => {
  const env = {
    PORT: String(await freePort()),
    PYTHONPATH: FIXTURES,
    PYTHONDONTWRITEBYTECODE: "1",
  };
  const command = [required("python3", findPython()), "-c", HEADLESS];
  await using baton = await startBaton({ command, env });
  const load = inFlight(Number(env.PORT), 1, 3_000);
  await busy(baton, 0, 1);
  await reload(baton);
  await inState(baton, 0, "exited");
  const tally = await load.finished();
  assert.deepEqual([tally.ok, tally.lost], [1, 0], show(tally, baton));
});

/** Clients with a new connection for each request; of three speeds, so that they are never all done at once. */
class SlowLoads implements AsyncDisposable {
  readonly #loads: readonly Load[];

  constructor(port: number) {
    this.#loads = [900, 1000, 1100].map((ms) => {
      const clients = CLIENTS / 3;
      return new Load({ port, clients, path: `/slow?ms=${ms}`, timeoutMs: PATIENCE_MS }).start();
    });
  }

  stop(): Promise<Tally[]> {
    return Promise.all(this.#loads.map((load) => load.stop()));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}

interface Sums {
  readonly ok: number;
  readonly lost: number;
  readonly refused: number;
  readonly pids: number;
  /** What baton says was cut. */
  readonly cut: number;
}

/** Reloads under load, each time to the end of the drain. */
async function reloadsUnder(load: SlowLoads, baton: Baton, reloads: number): Promise<Sums> {
  let cut = 0;
  for (let epoch = 0; epoch < reloads; epoch++) {
    await waitUntil(async () => (await generation(baton, epoch)).connections.busy >= CLIENTS / 2, {
      what: `generation ${epoch} is busy`,
    });
    await reload(baton);
    cut += (await baton.settled()).lastReload?.connectionsCut ?? 0;
  }
  const tallies = await load.stop();
  const sum = (of: (tally: Tally) => number) =>
    tallies.reduce((total, each) => total + of(each), 0);
  const pids = new Set(tallies.flatMap(({ byBody }) => [...byBody.keys()])).size;
  return {
    ok: sum((tally) => tally.ok),
    lost: sum((tally) => tally.lost),
    refused: sum((tally) => tally.refused),
    pids,
    cut,
  };
}

describe("a server without any signal handler", () => {
  test(
    `${RELOADS} reloads lose none of its one-second requests`,
    { timeout: TEST_TIMEOUT_MS },
    async () => {
      const port = await freePort();
      await using baton = await unaware(port);
      await using load = new SlowLoads(port);
      const sums = await reloadsUnder(load, baton, RELOADS);
      const { ok, ...rest } = sums;
      const expected = { lost: 0, refused: 0, pids: RELOADS + 1, cut: 0 };
      assert.deepEqual(rest, expected, `${JSON.stringify(sums)}\n${baton.stderr}`);
      assert.ok(ok >= RELOADS * CLIENTS / 2, `${ok} answers`);
    },
  );

  test("the same load loses requests with --drain signal, and they are counted", {
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    const port = await freePort();
    await using baton = await unaware(port, "--drain", "signal");
    await using load = new SlowLoads(port);
    const sums = await reloadsUnder(load, baton, 2);
    const figures = `--drain signal: ${sums.lost} requests lost, ${sums.cut} counted as cut`;
    assert.ok(sums.lost > 0, figures);
    assert.equal(sums.refused, 0, figures);
    // One that is being answered at that very moment may be either.
    assert.ok(sums.cut > 0 && Math.abs(sums.lost - sums.cut) <= CLIENTS / 3, figures);
    process.stderr.write(`  ${figures}\n`);
  });

  test("kept connections that are silent are closed between two requests", {
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    const port = await freePort();
    await using baton = await unaware(port, "--quiet", "200ms");
    const clients = 8;
    const thinks = { mode: "keep-alive", thinkTimeMs: 3_000, path: "/slow?ms=100" } as const;
    await using load = new Load({ port, clients, maxRequests: clients * 2, ...thinks }).start();
    await waitUntil(() => load.tally.ok === clients, { what: "all clients think" });
    await reload(baton);
    const { lastReload } = await baton.settled();
    assert.equal(load.tally.ok, clients, "the old generation was gone before the next request");
    const tally = await load.finished();
    assert.equal(tally.lost, 0, show(tally, baton));
    assert.equal(tally.ok, clients * 2);
    assert.equal(tally.idleCloses, clients);
    assert.equal(lastReload?.connectionsCut, 0);
  });

  test("kept connections in constant use are served until the drain time is over", {
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    const port = await freePort();
    // On a busy machine all clients, one process, may be silent for longer than the default.
    await using baton = await unaware(port, "--drain-time", "2s", "--quiet", "1s");
    const clients = LOST_AT_MOST_REMEMBERED - 2;
    const busily = { mode: "keep-alive", thinkTimeMs: 50, path: "/slow?ms=200" } as const;
    await using kept = new Load({ port, clients, ...busily }).start();
    await using fresh = new Load({ port, clients, path: "/slow?ms=200" }).start();
    await waitUntil(() => kept.tally.ok > clients * 2, { what: "connections are reused" });
    await reload(baton);
    const before = kept.tally.ok;
    const { lastReload } = await baton.settled();
    // By baton's clock: on a busy machine the reply comes late.
    const drain = lastReload?.phases.find(({ epoch, phase }) =>
      epoch === 0 && phase === "draining"
    );
    const drainedForMs = drain?.durationMs ?? 0;
    assert.ok(drainedForMs >= 1_800, `drained for ${drainedForMs} ms\n${baton.stderr}`);
    assert.ok(kept.tally.ok > before + clients, "the old generation went on serving them");
    const tally = await kept.stop();
    assert.ok(tally.lost <= clients, show(tally, baton));
    assert.ok(tally.errors.every(({ reused }) => reused), show(tally, baton));
    assert.equal(tally.refused + tally.timedOut + tally.unexpected, 0, show(tally, baton));
    const cut = lastReload?.connectionsCut ?? 0;
    // Who sends in the very moment of the end loses a request on a connection that was idle.
    assert.ok(cut <= clients, `cut ${cut}; ${show(tally, baton)}`);
    process.stderr.write(
      `  ${cut} of ${clients} kept connections cut, ${tally.lost} requests lost\n`,
    );
    const others = await fresh.stop();
    assert.equal(others.lost, 0, show(others, baton));
  });
});

describe("a request that takes longer than the reload", () => {
  test("is answered by the old process while new ones go to the new one", {
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    const port = await freePort();
    await using baton = await unaware(port);
    await using slow = inFlight(port, 1, 5_000);
    const oldPid = await busy(baton, 0, 1);
    await reload(baton);
    assert.equal(slow.tally.ok, 0, "the reload returned before the slow request was answered");
    const newPid = (await generation(baton, 1)).pid;
    await using fast = new Load({ port }).start();
    const answered = await slow.finished();
    assert.deepEqual([...answered.byBody], [[oldPid, 1]], show(answered, baton));
    const meanwhile = await fast.stop();
    assert.deepEqual([...meanwhile.byBody.keys()], [newPid], show(meanwhile, baton));
    assert.equal(meanwhile.lost, 0, show(meanwhile, baton));
    await baton.settled();
    assert.equal(alive(oldPid), false);
  });

  test("is cut when the drain time is over, counted and reported", {
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    const port = await freePort();
    await using baton = await unaware(port, "--drain-time", "1s");
    await using slow = inFlight(port, 3, 20_000);
    await busy(baton, 0, 3);
    await reload(baton);
    const { lastReload } = await baton.settled();
    const tally = await slow.finished();
    assert.equal(tally.lost, 3, show(tally, baton));
    assert.equal(lastReload?.connectionsCut, 3);
    assert.match(baton.stderr, /generation 0 exited cut=3/);
  });
});

test("a server that ignores its stop signal is killed when the stop time is over", {
  timeout: TEST_TIMEOUT_MS,
}, async () => {
  const port = await freePort();
  await using baton = await startBaton({
    command: fixtureCommand("ignores_term.py"),
    env: { PORT: String(port) },
    flags: ["--stop-time", "1s"],
  });
  await using load = new Load({ port }).start();
  const oldPid = (await generation(baton, 0)).pid ?? 0;
  await reload(baton);
  await inState(baton, 0, "stopping");
  const stoppingAt = performance.now();
  await waitUntil(() => !alive(oldPid), { what: "the old process is gone" });
  const livedForMs = performance.now() - stoppingAt;
  assert.ok(livedForMs > 700 && livedForMs < 10_000, `it lived for ${livedForMs} ms`);
  const { lastReload } = await baton.settled();
  const tally = await load.stop();
  assert.equal(tally.lost, 0, show(tally, baton));
  assert.equal(lastReload?.connectionsCut, 0);
  const exit = await baton.stop();
  assert.equal(exit.code, 124, baton.stderr);
});

async function finishesItsRequests(which: RealServer): Promise<void> {
  using work = tempDir();
  const port = await freePort();
  await using baton = await startBaton(place(which, { port, workDir: work.path }));
  const requests = 2;
  // Longer than the new generation's start on a busy machine.
  await using slow = inFlight(port, requests, 8_000);
  await busy(baton, 0, requests);
  await reload(baton);
  await inState(baton, 0, "stopping");
  assert.equal(slow.tally.ok, 0, "the signal came while the requests were in flight");
  const tally = await slow.finished();
  assert.equal(tally.ok, requests, show(tally, baton));
  const { lastReload } = await baton.settled();
  assert.equal(lastReload?.connectionsCut, 0);
  await using after = inFlight(port, requests, 0);
  const pids = [...(await after.finished()).byBody.keys()];
  assert.ok(pids.every((pid) => !tally.byBody.has(pid)), "new requests went to new processes");
}

describe("a graceful server finishes its requests after the stop signal", () => {
  const servers = (["gunicorn", "uvicorn", "puma"] as const satisfies readonly ServerId[])
    .map((id) => ({ name: id, ...server(id) }));
  const here = servers.filter((each) => each.needs() === null);
  const stories = new SideBySide(here, finishesItsRequests);
  for (const { name, needs } of servers) {
    const skip = needs() ?? false;
    test(`${name} answers requests of 8 s`, { skip, timeout: TEST_TIMEOUT_MS }, async () => {
      await stories.end(name);
    });
  }

  const nginx = server("nginx");
  test("nginx answers a request whose head is not complete", {
    skip: nginx.needs() ?? false,
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    using work = tempDir();
    const port = await freePort();
    await using baton = await startBaton(place(nginx, { port, workDir: work.path }));
    const client = createConnection({ port, host: "127.0.0.1" });
    let received = "";
    client.on("data", (bytes) => received += String(bytes));
    const closed = new Promise<void>((resolve) => client.once("close", () => resolve()));
    client.write("GET / HTTP/1.1\r\nHost: test\r\n");
    await busy(baton, 0, 1);
    await reload(baton);
    await inState(baton, 0, "stopping");
    client.end("Connection: close\r\n\r\n");
    await closed;
    assert.match(received, /^HTTP\/1\.1 200 OK[^]*pid=\d+ version=1\n$/, baton.stderr);
    assert.equal((await baton.settled()).lastReload?.connectionsCut, 0);
  });
});

describe("a stop of baton", () => {
  test(
    "finishes the requests in flight, and exits with 0",
    { timeout: TEST_TIMEOUT_MS },
    async () => {
      const port = await freePort();
      await using baton = await unaware(port);
      await using slow = inFlight(port, 8, 2_000);
      const pid = await busy(baton, 0, 8);
      const exit = await baton.stop();
      const tally = await slow.finished();
      assert.equal(tally.ok, 8, show(tally, baton));
      assert.deepEqual([...tally.byBody.keys()], [pid]);
      assert.equal(exit.code, 0, baton.stderr);
      assert.equal(alive(pid), false);
    },
  );

  test("exits with 124 when requests had to be cut", { timeout: TEST_TIMEOUT_MS }, async () => {
    const port = await freePort();
    await using baton = await unaware(port, "--drain-time", "1s");
    await using slow = inFlight(port, 2, 20_000);
    await busy(baton, 0, 2);
    const exit = await baton.stop();
    const tally = await slow.finished();
    assert.equal(tally.lost, 2, show(tally, baton));
    assert.equal(exit.code, 124, baton.stderr);
    assert.match(baton.stderr, /generation 0 exited cut=2/);
  });
});
