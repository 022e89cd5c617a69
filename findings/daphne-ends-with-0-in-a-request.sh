#!/bin/bash
# An ASGI server that is stopped with SIGTERM (uvicorn, hypercorn, granian: all within a limit) finishes its requests in flight.
# Expected of daphne, the server of the Django project's Channels: the same, or a status that says that it was not done.
# Seen: daphne 4.2.3 closes every connection at SIGTERM, a request in flight without an answer, and a WebSocket without a close frame,
# and ends with status 0 within half a second: who watches the status sees a clean stop. Its --application-close-timeout is for
# clients that leave.
# Needs python3 with venv. Exit 0: it is as described.
set -u
T=$(mktemp -d); trap 'rm -rf "$T"' EXIT
python3 -m venv "$T/v" && "$T/v/bin/pip" -q install daphne==4.2.3 >"$T/log" 2>&1 || { cat "$T/log"; exit 2; }
cat >"$T/app.py" <<'P'
import asyncio


async def app(scope, receive, send):
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        while (await receive())["type"] != "websocket.disconnect":
            pass
        return
    await asyncio.sleep(2)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})
P
cd "$T" && v/bin/python - <<'P'
import signal, socket, subprocess, sys

with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]
server = subprocess.Popen(["v/bin/daphne", "-p", str(port), "--application-close-timeout", "20", "app:app"],
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
for tries in range(800):
    try:
        request = socket.create_connection(("127.0.0.1", port), 20)
        break
    except ConnectionRefusedError:
        signal.sigtimedwait([], 0.025)
web_socket = socket.create_connection(("127.0.0.1", port), 20)
web_socket.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                   b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
assert b" 101 " in web_socket.recv(1000)
request.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
signal.sigtimedwait([], 0.5)
server.send_signal(signal.SIGTERM)


def rest(link):
    try:
        return link.recv(1000)
    except ConnectionResetError:
        return b""


answer, closing = rest(request), rest(web_socket)
status = server.wait(20)
print(f"request in flight: {answer or 'no answer'}, WebSocket: {closing or 'no close frame'}, status {status}")
sys.exit(0 if answer == closing == b"" and status == 0 else 1)
P
