#!/bin/bash
# graphql-ws, the client of GraphQL subscriptions: "retryAttempts: How many times should the client try to reconnect on abnormal socket closure
# before it errors out?"; shouldRetry: which errors are worth it, by default "Only `CloseEvent`s".
# Expected with retryAttempts: 50, at a restart in which the port is closed for a moment: the refused attempt ends with the CloseEvent 1006,
# as each failed attempt of a WebSocket does, so it is repeated until the server is back.
# Seen: graphql-ws 6.4.2 in Node.js with ws 8.23.0: the end of the old connection (1012) is repeated, and the first refused connection ends
# the client for good: it takes the error event that comes just before the 1006. It is the first attempt of fifty. So a restart without a
# gap keeps its clients, and one of half a second loses all of them. Cure: shouldRetry: () => true.
# Needs npm and node. Exit 0: it is as described.
set -u
T=$(mktemp -d); trap 'rm -rf "$T"' EXIT
cd "$T" && npm install --silent --no-audit --no-fund graphql-ws@6.4.2 graphql@16 ws@8.23.0 >log 2>&1 || { tail -5 log; exit 2; }
cat >try.js <<'J'
const WebSocket = require("ws"), { createClient } = require("graphql-ws");
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

function listen(port) {
  return new Promise((done) => {
    const server = new WebSocket.Server({ port, host: "127.0.0.1" }, () => done(server));
    server.on("connection", (link) => link.on("message", () => link.send('{"type":"connection_ack"}')));
  });
}

async function run(what, gap, options) {
  let server = await listen(0), connected = 0, retries = 0, gaveUp = "";
  const { port } = server.address();
  const closes = [];
  const client = createClient({ url: `ws://127.0.0.1:${port}`, webSocketImpl: WebSocket, lazy: false, retryAttempts: 50, ...options,
    retryWait: () => { retries++; return sleep(200); },
    onNonLazyError: (error) => gaveUp = String(error.message ?? error.code),
    on: { connected: () => connected++, closed: (event) => closes.push(event.code) } });
  while (!connected) await sleep(20);
  for (const link of server.clients) link.close(1012);
  await new Promise((done) => server.close(done));
  await sleep(gap);
  server = await listen(port);
  for (let tries = 0; tries < 200 && connected < 2 && !gaveUp; tries++) await sleep(20);
  await sleep(1000);
  console.log(`${what}: connected ${connected} times, ${retries} retries, closed with ${closes.join(", ")}`, gaveUp && `; gave up: ${gaveUp}`);
  client.dispose();
  server.close();
  return connected === 2;
}

(async () => {
  const short = await run("no gap", 0, {}), long = await run("a gap of 1 s", 1000, {});
  const cured = await run("a gap of 1 s, shouldRetry: () => true", 1000, { shouldRetry: () => true });
  process.exit(short && !long && cured ? 0 : 1);
})();
J
timeout 60 node try.js
