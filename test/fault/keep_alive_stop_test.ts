/**
 * Fault: baton is stopped while keep-alive connections move.
 *
 * No generation is left to move them to: held requests are released, the old generation answers, and all is over within a
 * bound, with the status of any stop. Before the stop nothing is lost; after it what any stop cuts, and no client waits.
 */
import assert from "node:assert/strict";
import process from "node:process";
import { describe, test } from "node:test";
import { type Baton, startBaton } from "../support/baton.ts";
import { freePort } from "../support/free_port.ts";
import { askUntilHeldBack, KeptConnection } from "../support/kept_connection.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { formatTally, Load } from "../support/load.ts";
import { Random, testSeed } from "../support/random.ts";
import { fixtureCommand } from "../support/servers.ts";
import { waitUntil } from "../support/wait_until.ts";

const TEST = { timeout: TEST_TIMEOUT_MS };
const GET = "GET /?id=1 HTTP/1.1\r\nHost: a\r\n\r\n";
const BODY = "0123456789";
const POST =
  `POST /sum HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: ${BODY.length}\r\n\r\n`;
/** Each would be held back longer than the one before, up to a second. */
const REQUESTS = 200;
const AT_ONCE_MS = 15;
const CLIENTS = 16;
const MOMENTS = 2;
/** Drain, move and end of the old generation. */
const MOVE_MS = 150;
/** --drain-time, --stop-time, and a busy machine. */
const BOUND_MS = 15_000;

async function start(...flags: string[]): Promise<{ baton: Baton; port: number }> {
  const port = await freePort();
  const baton = await startBaton({
    command: fixtureCommand("conversations.js"),
    env: { PORT: String(port) },
    flags: ["--keep-alive", "migrate", ...flags],
  });
  return { baton, port };
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

describe("baton is stopped while keep-alive connections move", () => {
  test("who is held back is answered by the old server", TEST, async () => {
    const { baton, port } = await start();
    await using _ = baton;
    using upload = new KeptConnection(port);
    using client = new KeptConnection(port);
    upload.send(POST + BODY.slice(1));
    client.send(GET);
    await client.answer();
    assert.equal((await baton.reload()).result, "ok");
    await askUntilHeldBack(client, GET);
    baton.signal("SIGTERM");
    await waitUntil(async () => {
      const { generations } = await baton.status();
      return generations.find(({ epoch }) => epoch === 1)?.state === "exited";
    }, { what: "the new generation has ended, it had nothing to do" });
    assert.equal((await client.answer()).status, 200);
    const startedAt = performance.now();
    for (let i = 0; i < REQUESTS; i++) {
      client.send(GET);
      assert.equal((await client.answer()).status, 200);
      const tookMs = performance.now() - startedAt;
      assert.ok(tookMs < REQUESTS * AT_ONCE_MS, `${i} requests took ${tookMs} ms: held back`);
    }
    // This is all that the old one has waited for.
    client[Symbol.dispose]();
    upload.send(BODY.slice(0, 1));
    assert.equal((await upload.answer()).status, 200);
    assert.deepEqual(await baton.exited, { code: 0, signal: null });
  });

  test(`${MOMENTS} random moments: no client is stuck`, TEST, async () => {
    const random = new Random(testSeed());
    for (let i = 0; i < MOMENTS; i++) {
      const { baton, port } = await start("--drain-time", "300ms", "--stop-time", "1s");
      await using _ = baton;
      const options = { clients: CLIENTS, mode: "keep-alive", timeoutMs: BOUND_MS } as const;
      await using load = new Load({ ...options, port, path: "/?id=1" }).start();
      await load.answersMore(CLIENTS);
      assert.equal((await baton.reload()).result, "ok");
      await pause(random.below(MOVE_MS));
      const lostBefore = load.tally.lost;
      const startedAt = performance.now();
      baton.signal("SIGTERM");
      const exit = await baton.exited;
      const tookMs = performance.now() - startedAt;
      const tally = await load.stop();
      const [summary] = formatTally(tally).split("\n");
      process.stderr.write(`  status ${exit.code} after ${tookMs | 0} ms: ${summary}\n`);
      // 124: clients who never pause were cut when the time was over.
      assert.ok(exit.code === 0 || exit.code === 124, `status ${exit.code}`);
      assert.ok(tookMs < BOUND_MS, `it took ${tookMs} ms`);
      assert.equal(lostBefore, 0, formatTally(tally));
      assert.equal(tally.timedOut + tally.unexpected + tally.other, 0, formatTally(tally));
    }
  });
});
