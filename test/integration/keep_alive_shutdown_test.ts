/**
 * The promise of `--keep-alive migrate` for servers that call shutdown(2) on their connections at the stop signal, as
 * hyper and Netty do, which would end a moved connection for the new server too: connections in flight are spared.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { startBaton } from "../support/baton.ts";
import { freePort } from "../support/free_port.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { formatTally, Load } from "../support/load.ts";
import { fixtureCommand } from "../support/servers.ts";

const CLIENTS = 8;
const RELOADS = 2;

test("a server that shuts connections down spares those that have left it", {
  timeout: TEST_TIMEOUT_MS,
}, async () => {
  const port = await freePort();
  await using baton = await startBaton({
    command: fixtureCommand("shuts_down.js"),
    env: { PORT: String(port) },
    flags: ["--keep-alive", "migrate"],
  });
  await using load = new Load({ port, clients: CLIENTS, mode: "keep-alive", thinkTimeMs: 5 })
    .start();
  for (let i = 0; i < RELOADS; i++) {
    await load.answersMore(2 * CLIENTS);
    await baton.reload();
    const { lastReload } = await baton.settled();
    assert.deepEqual(lastReload?.connectionsKept, { moved: CLIENTS, finished: 0, left: 0 });
  }
  await load.answersMore(2 * CLIENTS);
  const tally = await load.stop();
  assert.equal(tally.lost, 0, formatTally(tally) + baton.stderr);
  assert.equal(tally.connections, CLIENTS, "each client has one, from beginning to end");
});
