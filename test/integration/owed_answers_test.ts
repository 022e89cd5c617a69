/**
 * The promise: an answer that is owed, or may be, is waited for, or counted if it is cut, also where the server has sent
 * something since the request that is not the answer: TLS tickets, or the first part of it.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { connect as connectTls } from "node:tls";
import { startBaton } from "../support/baton.ts";
import { certificate } from "../support/certificate.ts";
import { freePort } from "../support/free_port.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { findNode, which } from "../support/programs.ts";
import { repeats } from "../support/repeats.ts";
import { fixtureCommand } from "../support/servers.ts";
import { StreamClient } from "../support/stream_clients.ts";
import { tempDir } from "../support/temp_dir.ts";
import { waitUntil } from "../support/wait_until.ts";

const CLIENTS = repeats({ full: 40, quick: 10 });
/** Longer than --quiet and all that a reload takes. */
const SLOW_MS = 3_000;

const needs = findNode() === null
  ? "node is not installed"
  : which("openssl") === null
  ? "openssl is not installed"
  : false;

/**
 * The first request of a TLS connection, as HTTP clients send it: with the end of the handshake, before the server's tickets.
 * @returns `answer`: all that came until its end
 */
function firstRequest(port: number): { sent: Promise<void>; answer: Promise<string> } {
  const socket = connectTls({ port, host: "127.0.0.1", rejectUnauthorized: false });
  const head = "Host: test\r\nConnection: close\r\n\r\n";
  socket.write(`GET /drip?n=1&ms=${SLOW_MS} HTTP/1.1\r\n${head}`);
  const sent = new Promise<void>((resolve) => {
    for (const event of ["secureConnect", "close"]) socket.once(event, () => resolve());
  });
  const answer = new Promise<string>((resolve) => {
    let text = "";
    socket.on("data", (bytes) => text += bytes.toString("latin1"));
    socket.on("error", () => {});
    socket.once("close", () => resolve(text));
  });
  return { sent, answer };
}

test(`${CLIENTS} first requests over TLS that take their time are answered`, {
  timeout: TEST_TIMEOUT_MS,
  skip: needs,
}, async () => {
  using dir = tempDir();
  const port = await freePort();
  await using baton = await startBaton({
    command: fixtureCommand("conversations.js"),
    env: { PORT: String(port), ...certificate(dir) },
    flags: ["--drain-time", "1m"],
  });
  const asked = Array.from({ length: CLIENTS }, () => firstRequest(port));
  await Promise.all(asked.map(({ sent }) => sent));
  assert.equal((await baton.reload()).result, "ok", baton.stderr);
  const answers = await Promise.all(asked.map(({ answer }) => answer));
  const lost = answers.filter((answer) => !answer.includes("data: "));
  assert.deepEqual(lost, [], baton.stderr);
  await waitUntil(() => baton.stderr.includes("generation 0 exited"), { what: "it has exited" });
  assert.match(baton.stderr, /generation 0 exited cut=0/);
});

test("the second part of an answer like those before it is not cut uncounted", {
  timeout: TEST_TIMEOUT_MS,
  skip: findNode() === null && "node is not installed",
}, async () => {
  const port = await freePort();
  await using baton = await startBaton({
    command: fixtureCommand("streams.js"),
    env: { PORT: String(port) },
    flags: ["--quiet", "200ms"],
  });
  using client = StreamClient.download(port, "every=1&pieces=1&bytes=5");
  const hasAnswers = (count: number) =>
    waitUntil(() => client.text.split("xxxxx").length > count, { what: `${count} answers` });
  await hasAnswers(1);
  client.send("GET /drip?every=1&pieces=1&bytes=5 HTTP/1.1\r\nHost: test\r\n\r\n");
  await hasAnswers(2);
  client.send(`GET /drip?every=${SLOW_MS}&pieces=2&bytes=5 HTTP/1.1\r\nHost: test\r\n\r\n`);
  await hasAnswers(3);
  assert.equal((await baton.reload()).result, "ok", baton.stderr);
  await client.ended();
  await waitUntil(() => baton.stderr.includes("generation 0 exited"), { what: "it has exited" });
  assert.match(baton.stderr, /generation 0 exited cut=0 undecided=1$/m);
});
