#!/bin/bash
# gearmand's administrative protocol (PROTOCOL in its sources, https://gearman.org/protocol) has "shutdown [graceful]": close the
# listening socket, let present connections finish, then end.
# Expected: a line "shutdown graceful" to the port of gearmand drains it.
# Seen: gearmand 1.1.20 (Debian 12) answers "ERR UNKNOWN_COMMAND" to "shutdown" and "shutdown graceful", and serves on; "version",
# "status" and "workers" work on the same connection. A script that ignores the answer waits for an end that never comes. What is left
# are signals, and they drop every connection at once, with jobs that run.
# Needs apt-get (only "download"; nothing is installed) and python3. Exit 0: it is as described.
set -u
T=$(mktemp -d); trap 'rm -rf "$T"' EXIT
cd "$T" && apt-get -q download gearman-job-server=1.1.20+ds-1 libgearman8 libhashkit2 libmemcached11 libhiredis0.14 libtokyocabinet9 \
  libmariadb3 libpq5 libboost-program-options1.74.0 libevent-2.1-7 >log 2>&1 || { cat log; exit 2; }
for package in *.deb; do dpkg-deb -x "$package" root || exit 2; done
export LD_LIBRARY_PATH=$T/root/usr/lib/x86_64-linux-gnu
python3 - <<'P'
import signal, socket, subprocess, sys

with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]
server = subprocess.Popen(["root/usr/sbin/gearmand", "-L", "127.0.0.1", "-p", str(port), "-l", "stderr"],
                          stderr=subprocess.DEVNULL)
for tries in range(400):
    try:
        link = socket.create_connection(("127.0.0.1", port), 10)
        break
    except ConnectionRefusedError:
        signal.sigtimedwait([], 0.025)
answers = []
for line in ("version", "shutdown graceful", "shutdown", "version"):
    link.sendall(line.encode() + b"\n")
    answers.append(link.recv(200).decode().strip())
    print(f"{line}: {answers[-1]}")
with socket.create_connection(("127.0.0.1", port), 10) as other:
    other.sendall(b"version\n")
    accepts = other.recv(100).startswith(b"OK")
print("a new connection is", "served" if accepts else "not served")
server.send_signal(signal.SIGTERM)
server.wait(20)
refused = all(answer.startswith("ERR UNKNOWN_COMMAND") for answer in answers[1:3])
sys.exit(0 if refused and accepts and answers[3].startswith("OK") else 1)
P
