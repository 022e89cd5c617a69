/**
 * The promise of `--keep-alive migrate` for event streams: they stay with their server, and their clients see the end of
 * it at once, also when each event comes long after the one before.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { startBaton } from "../support/baton.ts";
import { freePort } from "../support/free_port.ts";
import { askUntilHeldBack, KeptConnection } from "../support/kept_connection.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { fixtureCommand } from "../support/servers.ts";
import { waitUntil } from "../support/wait_until.ts";

const GET = "GET /?id=1 HTTP/1.1\r\nHost: a\r\n\r\n";
const STREAM = "GET /events?ms=150 HTTP/1.1\r\nHost: a\r\n\r\n";
const POST = "POST /sum HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 2\r\n\r\n";
const EVENTS = 3;

test("an event stream with pauses stays", { timeout: TEST_TIMEOUT_MS }, async () => {
  const port = await freePort();
  await using baton = await startBaton({
    command: fixtureCommand("conversations.js"),
    env: { PORT: String(port) },
    flags: ["--keep-alive", "migrate", "--quiet", "50ms", "--drain-time", "2s"],
  });
  using upload = new KeptConnection(port);
  using client = new KeptConnection(port);
  upload.send(`${POST}a`);
  client.send(GET);
  await client.answer();
  assert.equal((await baton.reload()).result, "ok");
  // From then on baton knows what this client's requests are, and that it waits for answers.
  await askUntilHeldBack(client, GET);
  await client.answer();
  client.send(STREAM);
  for (let i = 0; i < EVENTS; i++) await client.takeThrough("data: ");
  upload.send("b");
  assert.equal((await upload.answer()).status, 200);
  await waitUntil(() => baton.stderr.includes("keep-alive connections:"), {
    what: "baton has committed the moves",
  });
  assert.match(baton.stderr, /0 move, 1 have ended, 1 stay/);
  await waitUntil(() => !client.isOpen, { what: "the stream ends with its server" });
});
