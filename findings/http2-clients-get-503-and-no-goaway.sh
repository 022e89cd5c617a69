#!/bin/bash
# fastify's close(): it waits for requests in flight, closes idle connections (forceCloseConnections is "idle" by default), and answers what
# comes meanwhile with 503 and Connection: close (return503OnClosing, true by default).
# Expected of a server with http2: true, at close() in a handler of TERM: an idle HTTP/2 session is sent GOAWAY, as by Go, hyper, nginx and
# HAProxy, so that its client goes elsewhere; or it is closed.
# Seen: fastify 5.12.8 on Node.js 22.23.3 (20.20.2 is like it) does neither. Each request of the session is answered with 503; HTTP/2 has no
# Connection: close, so the client stays, and gets 503 for as long as it asks. Each request keeps the session open, and close() does not
# resolve until 72 s (http2SessionTimeout) have passed without one. So one client of the old version holds its stop until KILL, and fails
# all that time. On HTTP/1.1 close() of the same server resolves at once, and on Node.js 24.21.0 it sends GOAWAY.
# Cure: session.close() for each session (server.server.on("session")), which sends GOAWAY, in a preClose hook: close() took 4 ms.
# Needs npm. Exit 0: it is as described.
set -u
T=$(mktemp -d); trap 'rm -rf "$T"' EXIT
cd "$T" && npm install --silent --no-audit --no-fund fastify@5.12.8 node@22.23.3 >log 2>&1 || { tail -5 log; exit 2; }
cat >try.js <<'J'
const http = require("node:http"), http2 = require("node:http2"), fastify = require("fastify");
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

async function start(options) {
  const server = fastify(options);
  server.get("/", async () => "ok");
  return { server, address: await server.listen({ port: 0, host: "127.0.0.1" }) };
}

async function one() {
  const { server, address } = await start({});
  const agent = new http.Agent({ keepAlive: true });
  await new Promise((done) => http.get(address, { agent }, (answer) => answer.resume().on("end", done)));
  const began = Date.now();
  const ended = await Promise.race([server.close().then(() => true), sleep(8000)]);
  console.log(`HTTP/1.1, one idle connection: close() resolved ${ended ? `after ${Date.now() - began} ms` : "not within 8 s"}`);
  agent.destroy();
  return ended === true;
}

async function two() {
  const { server, address } = await start({ http2: true });
  const session = http2.connect(address);
  const seen = { goaway: 0, closed: 0 };
  session.on("goaway", () => seen.goaway++).on("close", () => seen.closed++).on("error", () => {});
  const ask = () => new Promise((done) => {
    const request = session.request({ ":path": "/" });
    let status;
    request.on("response", (headers) => status = headers[":status"]).on("error", () => done("an error")).on("end", () => done(status));
    request.resume().end();
  });
  const before = await ask();
  await sleep(200);
  let resolved = false;
  const closing = server.close().then(() => resolved = true);
  const answers = [];
  for (let second = 0; second < 8 && !seen.closed; second++) {
    await sleep(1000);
    if (!seen.closed) answers.push(await ask());
  }
  console.log(`HTTP/2, one idle session: answered ${before} before close(), ${answers.join(" ")} in the 8 s after it;`,
    `GOAWAY: ${seen.goaway}, closed by the server: ${seen.closed}, close() has resolved: ${resolved}`);
  const right = before === 200 && answers.length === 8 && answers.every((status) => status === 503) && !seen.goaway && !seen.closed && !resolved;
  session.destroy();
  await closing;
  return right;
}

(async () => process.exit(await one() && await two() ? 0 : 1))();
J
node_modules/.bin/node --version
timeout 60 node_modules/.bin/node try.js
