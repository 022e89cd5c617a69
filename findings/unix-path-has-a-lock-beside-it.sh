#!/bin/bash
# unix(7): bind(2) makes the node of a socket, and fails with EADDRINUSE if there is something at the path.
# Expected: a server that was killed leaves its node; its next start removes it, or says "Address already in use". After rm of the
# path it starts.
# Seen: Twisted 24.7.0 (any "unix:" endpoint), and so Daphne 4.1.2 (-u PATH, PyPI), keep a second name beside it: a symbolic link
# PATH.lock whose target is the process id, "/run/web.sock.lock -> 1". While the process with that number lives a start is refused,
# "Cannot acquire lock", and Daphne ends with status 0. In a container the number is always 1, and process 1 always lives: it
# is the new Daphne itself. So after one SIGKILL (out of memory, node lost) a Daphne whose socket is on a volume never starts again,
# and "restart: on-failure" takes the 0 for a success. Removing the socket does not help: the lock must go too.
# Daphne's own clean-up removes both. Without the lock: -e unix:PATH:lockfile=0.
# Needs python3 with venv, pip, and unshare (root, or user namespaces). Exit 0: it is as described.
set -u
T=$(mktemp -d); SOCK=$T/web.sock; PIDS=
trap 'kill -9 $PIDS 2>/dev/null; wait 2>/dev/null; rm -rf "$T"' EXIT
python3 -m venv "$T/v" && "$T/v/bin/pip" install -q twisted==24.7.0 daphne==4.1.2 >"$T/log" 2>&1 || { tail -3 "$T/log"; exit 2; }
cat >"$T/app.py" <<'P'
async def app(scope, receive, send):
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})
P
NS="unshare --fork --pid --mount-proc --kill-child"; [ "$(id -u)" = 0 ] || NS="$NS --map-root-user"
# start WORDS...: Daphne as process 1 of a PID namespace of its own, as in a container
start() { (cd "$T" && exec $NS "$T/v/bin/daphne" "$@" app:app >"$T/out" 2>&1) & LAST=$!; PIDS="$PIDS $LAST"; }
answer() { python3 - "$SOCK" <<'P'
import socket, sys, time
for _ in range(80):
    try:
        s = socket.socket(socket.AF_UNIX); s.settimeout(5); s.connect(sys.argv[1])
        s.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"); print(s.recv(9).decode()); break
    except OSError: time.sleep(0.25)
P
}
start -u "$SOCK"; A=$(answer); echo "first start: answers $A, lock: $(readlink "$SOCK.lock")"
[ "${A%1.1*}" = HTTP/ ] || exit 1
[ "$(readlink "$SOCK.lock")" = 1 ] || exit 1
kill -9 $LAST; wait $LAST 2>/dev/null; rm "$SOCK"
start -u "$SOCK"; wait $LAST; STATUS=$?; echo "after SIGKILL and rm of the socket: status $STATUS, $(tail -1 "$T/out" | grep -o 'Cannot acquire lock')"
[ $STATUS = 0 ] && grep -q "Cannot acquire lock" "$T/out" && [ ! -e "$SOCK" ] || exit 1
start -e "unix:$SOCK:lockfile=0"; A=$(answer); echo "with lockfile=0: answers $A"
[ "${A%1.1*}" = HTTP/ ]
