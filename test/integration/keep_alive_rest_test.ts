/**
 * The promise of `--keep-alive migrate` for connections that rest with baton when their server has ended: the new one
 * gets whatever comes on them, also what baton does not know.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { startBaton } from "../support/baton.ts";
import { freePort } from "../support/free_port.ts";
import { KeptConnection } from "../support/kept_connection.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { fixtureCommand } from "../support/servers.ts";
import { waitUntil } from "../support/wait_until.ts";

const GET = "GET /?id=1 HTTP/1.1\r\nHost: a\r\n\r\n";
/** Longer than --quiet, 50 ms: between two requests all of them rest. */
const THINK_MS = 250;

test("the new server answers whatever comes", { timeout: TEST_TIMEOUT_MS }, async () => {
  const cases: { says: string; status: number }[] = [
    { says: GET, status: 200 },
    { says: `\r\n${GET}`, status: 200 },
    { says: "GET / HT", status: 200 },
    {
      says: "GET /echo HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: a\r\n\r\n",
      status: 101,
    },
    { says: GET.replace("/", `/${"a".repeat(9_000)}`), status: 200 },
    { says: "get / HTTP/1.1\r\nHost: a\r\n\r\n", status: 400 },
  ];
  const port = await freePort();
  await using baton = await startBaton({
    command: fixtureCommand("conversations.js"),
    env: { PORT: String(port) },
    flags: ["--keep-alive", "migrate", "--quiet", "50ms"],
  });
  using stack = new DisposableStack();
  const connections = cases.map(() => stack.use(new KeptConnection(port)));
  const ask = async () => {
    for (const connection of connections) connection.send(GET);
    for (const connection of connections) await connection.answer();
  };
  await ask();
  assert.equal((await baton.reload()).result, "ok");
  while (!baton.stderr.includes(`${cases.length} move, 0 have ended`)) {
    await ask();
    await pause(THINK_MS);
  }
  await baton.settled();
  const all = "have been moved";
  assert.doesNotMatch(baton.stderr, new RegExp(all), "they rest");
  for (const [i, { says, status }] of cases.entries()) {
    const connection = connections[i]!;
    connection.send(says);
    if (says === "GET / HT") {
      await pause(THINK_MS);
      connection.send("TP/1.1\r\nHost: a\r\n\r\n");
    }
    const head = await connection.takeThrough("\r\n\r\n");
    assert.match(head, new RegExp(`^HTTP/1.1 ${status}`), JSON.stringify(says.slice(0, 40)));
  }
  await waitUntil(() => baton.stderr.includes(all), { what: "all connections have been moved" });
  assert.match(baton.stderr, new RegExp(`moved=${cases.length} closed=0 dropped=0`));
});
