#!/bin/bash
# supervisord, [fcgi-program:x]: it opens the socket itself, and passes it to each process of the pool as descriptor 0. That is the way to a
# port that belongs to the supervisor, as a socket unit of systemd does.
# Expected: as the supervisor has it, the port stays open while processes are restarted; clients wait in its queue.
# Seen: supervisor 4.3.0 (PyPI) closes it when the last process of the group has stopped, and makes another one for the next start. So
# `supervisorctl restart 'web:*'`, which stops all before it starts one, or a pool of one process, resets the connections in the queue and
# refuses new ones until the next start; at HUP for a second and more. Cure: restart the processes one by one (restart web:web_0, then web:web_1).
# Needs python3 with venv. Exit 0: it is as described.
set -u
T=$(mktemp -d); S=
trap 'kill $S 2>/dev/null; wait 2>/dev/null; rm -rf "$T"' EXIT
cd "$T" && python3 -m venv v && v/bin/pip -q install supervisor==4.3.0 || exit 2
PORT=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
cat >server.py <<'P'
import socket
listener = socket.socket(fileno=0)
while True:
    client, _ = listener.accept()
    client.recv(1000)
    client.sendall(b"ok")
    client.close()
P
cat >client.py <<'P'
import os, socket, sys, time
# Asks until the file "done" is there; prints how many were answered, and how many were not.
answered = lost = 0
while not os.path.exists("done"):
    try:
        with socket.create_connection(("127.0.0.1", int(sys.argv[1])), 5) as client:
            client.sendall(b"hello")
            answered, lost = (answered + 1, lost) if client.recv(10) == b"ok" else (answered, lost + 1)
    except OSError:
        lost += 1
    time.sleep(0.002)
print(answered, lost)
P
cat >c.conf <<X
[supervisord]
logfile=$T/log
pidfile=$T/pid
[unix_http_server]
file=$T/s
[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
[supervisorctl]
serverurl=unix://$T/s
[fcgi-program:web]
socket=tcp://127.0.0.1:$PORT
command=python3 $T/server.py
process_name=%(program_name)s_%(process_num)d
numprocs=2
startsecs=0
X
v/bin/supervisord -n -c c.conf >/dev/null 2>&1 & S=$!
control() { v/bin/supervisorctl -c c.conf "$@"; }
for _ in $(seq 100); do [ "$(control status 2>/dev/null | grep -c RUNNING)" = 2 ] && break; sleep 0.1; done
sleep 1
# try NAME COMMAND...: sets `answered` and `lost` of the client's requests meanwhile, and how often the socket was `closed`
try() {
  local name=$1 before; shift; rm -f done; before=$(grep -c 'Closing socket' log)
  python3 client.py "$PORT" >tally & local client=$!
  sleep 0.5; "$@" >/dev/null; sleep 0.5; touch done; wait "$client"; read -r answered lost <tally
  closed=$(($(grep -c 'Closing socket' log) - before))
  echo "$name: $answered answered, $lost refused or reset; the socket was closed $closed times"
}
one_by_one() { control restart web:web_0; sleep 0.5; control restart web:web_1; }
try 'one by one' one_by_one; [ "$answered" -gt 50 ] && [ "$lost" -le 2 ] && [ "$closed" = 0 ] || exit 1
try "restart 'web:*'" control restart 'web:*'; [ "$closed" = 1 ] || exit 1
hang_up() { kill -HUP "$S"; sleep 4; }
try HUP hang_up; [ "$closed" -ge 1 ] && [ "$lost" -gt 20 ]
