#!/bin/bash
# The PROXY protocol, version 1, has "PROXY UNKNOWN" for connections without addresses to tell of: HAProxy's own health checks with
# check-send-proxy, clients at a Unix socket. The receiver has to ignore what may follow up to CRLF, and to use the real address.
# Expected of a library that reads it: the request is served, and its address is that of the connection.
# Seen: with findhit-proxywrap 0.3.13 (npm) the client's remoteAddress is undefined, which breaks what logs it, limits
# by it, or splits it, for health checks only, while every client's request works; and where text follows UNKNOWN, that is the address.
# github.com/pires/go-proxyproto 0.8.1 and proxy-protocol 0.11.3 (PyPI) serve it as it should be.
# Needs go, npm, node, python3 with venv. Exit 0: it is as described.
set -u
T=$(mktemp -d); trap 'rm -rf "$T"' EXIT
cd "$T" || exit 2
cat >main.go <<'G'
package main

import (
	"fmt"
	"io"
	"net"
	"os"

	"github.com/pires/go-proxyproto"
)

// Reads one header and what follows from standard input, as a client's connection.
func main() {
	plain, _ := net.Listen("tcp", "127.0.0.1:0")
	listener := &proxyproto.Listener{Listener: plain}
	go func() {
		client, _ := net.Dial("tcp", plain.Addr().String())
		io.Copy(client, os.Stdin)
		client.(*net.TCPConn).CloseWrite()
	}()
	conn, _ := listener.Accept()
	data, err := io.ReadAll(conn)
	if err != nil {
		fmt.Println("refused:", err)
		return
	}
	host, _, _ := net.SplitHostPort(conn.RemoteAddr().String())
	fmt.Printf("served %d bytes from %s\n", len(data), host)
}
G
cat >wrap.js <<'J'
const net = require("node:net"), http = require("findhit-proxywrap").proxy(require("node:http"), { strict: true });
const server = http.createServer((request, response) => response.end(`served, from ${request.socket.remoteAddress}`));
server.listen(0, "127.0.0.1", () => {
  const client = net.connect(server.address().port, "127.0.0.1");
  process.stdin.on("data", (data) => client.write(data));
  client.on("data", (data) => { console.log(String(data).split("\r\n\r\n")[1]); process.exit(0); });
});
J
cat >read.py <<'P'
import asyncio, sys
from proxyprotocol.detect import ProxyProtocolDetect
from proxyprotocol.reader import ProxyProtocolReader

async def main():
    reader = asyncio.StreamReader()
    reader.feed_data(sys.stdin.buffer.read())
    reader.feed_eof()
    result = await ProxyProtocolReader(ProxyProtocolDetect()).read(reader)
    print("served,", len(await reader.read()), "bytes,", type(result).__name__)

asyncio.run(main())
P
{ go mod init x && go get github.com/pires/go-proxyproto@v0.8.1 && go build -o pires . && npm install --silent --no-audit --no-fund findhit-proxywrap@0.3.13 &&
  python3 -m venv v && v/bin/pip -q install proxy-protocol==0.11.3; } >log 2>&1 || { tail -3 log; exit 2; }
REQUEST='GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'
bad=0
check() { # NAME, what it must say, header, COMMAND...
  local name=$1 wanted=$2 header=$3 got; shift 3
  got=$(printf '%b' "$header\r\n$REQUEST" | timeout 20 "$@" 2>&1 | head -1); echo "$name, $header: $got"
  [ "$got" = "$wanted" ] || bad=1
}
UNKNOWN='PROXY UNKNOWN' MORE='PROXY UNKNOWN ffff::7 ffff::8 11 22'
for h in "$UNKNOWN" "$MORE"; do
  check proxy-protocol 'served, 46 bytes, ProxyResultUnknown' "$h" v/bin/python read.py
  check go-proxyproto 'served 46 bytes from 127.0.0.1' "$h" ./pires
done
check proxywrap 'served, from 192.0.2.7' 'PROXY TCP4 192.0.2.7 192.0.2.8 11 22' node wrap.js
check proxywrap 'served, from undefined' "$UNKNOWN" node wrap.js
check proxywrap 'served, from ffff::7' "$MORE" node wrap.js
exit $bad
