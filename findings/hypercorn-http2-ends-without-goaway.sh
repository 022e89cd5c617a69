#!/bin/bash
# An HTTP/2 server that ends says GOAWAY (RFC 9113, 6.8: "SHOULD"), so that a client knows which requests were not begun with and may be
# sent elsewhere. Go, nginx, Apache, granian and HAProxy do that at their graceful stop.
# Expected of Hypercorn, whose SIGTERM is graceful (graceful_timeout, 3 s), at least for a connection that is idle.
# Seen: hypercorn 0.18.0 closes an idle HTTP/2 connection at SIGTERM with nothing on it. One with a request in flight gets its answer, and
# GOAWAY after it, so the server knows how. A client that has just sent a request on the idle one cannot know that it may be repeated.
# Needs python3 with venv. Exit 0: it is as described.
set -u
T=$(mktemp -d); trap 'rm -rf "$T"' EXIT
python3 -m venv "$T/v" && "$T/v/bin/pip" -q install hypercorn==0.18.0 >"$T/log" 2>&1 || { cat "$T/log"; exit 2; }
cat >"$T/app.py" <<'P'
import asyncio


async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    if scope["path"] == "/slow":
        await asyncio.sleep(1)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})
P
cd "$T" && v/bin/python - <<'P'
import signal, socket, struct, subprocess, sys

with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]
server = subprocess.Popen(["v/bin/hypercorn", "-b", f"127.0.0.1:{port}", "app:app"], stderr=subprocess.DEVNULL)


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def connect():
    for tries in range(800):
        try:
            link = socket.create_connection(("127.0.0.1", port), 20)
            link.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0))
            return link
        except ConnectionRefusedError:
            signal.sigtimedwait([], 0.025)


def ask(link, stream, path):
    link.sendall(frame(1, 5, stream, bytes([0x82, 0x86, 4, len(path)]) + path + bytes([1, 1]) + b"a"))


def frames(link, until=None):
    """Kinds of the frames that come, up to the first one of `until`, or to the end."""
    data, kinds = b"", []
    while more := link.recv(65536):
        data += more
        while len(data) >= 9 and len(data) >= 9 + int.from_bytes(data[:3], "big"):
            kinds.append(data[3])
            data = data[9 + int.from_bytes(data[:3], "big"):]
        if until in kinds:
            break
    return kinds


GOAWAY, DATA = 7, 0
idle, busy = connect(), connect()
for link in (idle, busy):
    ask(link, 1, b"/")
    assert DATA in frames(link, DATA)
ask(busy, 3, b"/slow")
signal.sigtimedwait([], 0.3)
server.send_signal(signal.SIGTERM)
seen = {"idle": frames(idle), "busy": frames(busy)}
server.wait(20)
for name, kinds in seen.items():
    print(f"{name}: {'GOAWAY' if GOAWAY in kinds else 'no GOAWAY'}, frames {kinds}")
sys.exit(0 if GOAWAY not in seen["idle"] and DATA in seen["busy"] else 1)
P
