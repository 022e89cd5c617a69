/**
 * The promise of `--keep-alive migrate` for servers that keep idle connections open after the stop signal until they are
 * killed: a request on a connection that was to move waits for a moment, and is answered by the old server.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { startBaton } from "../support/baton.ts";
import { freePort } from "../support/free_port.ts";
import { KeptConnection } from "../support/kept_connection.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { fixtureCommand } from "../support/servers.ts";

const GET = "GET /?id=1 HTTP/1.1\r\nHost: a\r\n\r\n";
/** Waiting for the end of the old server takes this long. */
const STOP_TIME = "20s";

test(
  "a server that does not close gets its requests back",
  { timeout: TEST_TIMEOUT_MS },
  async () => {
    const port = await freePort();
    await using baton = await startBaton({
      command: fixtureCommand("conversations.js"),
      env: { PORT: String(port), KEEPS: "1" },
      flags: ["--keep-alive", "migrate", "--quiet", "50ms", "--stop-time", STOP_TIME],
    });
    using client = new KeptConnection(port);
    const ask = async () => {
      client.send(GET);
      return (await client.answer()).body.toString();
    };
    const first = await ask();
    assert.equal((await baton.reload()).result, "ok");
    while (!baton.stderr.includes("1 move, 0 have ended, 0 stay")) assert.equal(await ask(), first);
    // The held request has been answered, and so is each later one.
    assert.equal(await ask(), first);
    const { generations } = await baton.status();
    assert.equal(generations.find(({ epoch }) => epoch === 0)?.state, "stopping");
    client[Symbol.dispose]();
    const { lastReload } = await baton.settled();
    assert.deepEqual(lastReload?.connectionsKept, { moved: 0, finished: 0, left: 1 });
  },
);
