#!/bin/bash
# RFC 9113, 6.8: GOAWAY names "the highest-numbered stream identifier for which the sender of the GOAWAY frame might have taken
# some action on"; requests above it "can be treated as though they had never been created", and clients repeat them. A server
# that closes a connection should send one, so that a client knows which of its requests to repeat.
# Expected: a graceful reload and the end of an idle connection both send GOAWAY, with the number of the last answered stream.
# Seen: gunicorn 27.0.1 (PyPI, with h2 4.4.1, worker class gthread, HTTP/2 without TLS): at the keep-alive timeout its GOAWAY says
# 0, although streams 1 and 3 were carried out and answered: a request 3 whose answer has not come through yet is one that the
# client may repeat, a POST too. After a graceful reload (HUP), with a request on its way, the request is answered and the connection
# is closed without any GOAWAY: a request that the client sends at that moment may or may not have been carried out.
# Needs python3 with venv, and pip. Exit 0: it is as described.
set -u
T=$(mktemp -d); SERVER=
trap '[ -z "$SERVER" ] || kill $SERVER 2>/dev/null; wait 2>/dev/null; rm -rf "$T"' EXIT
python3 -m venv "$T/v" && "$T/v/bin/pip" install -q 'gunicorn[http2]==27.0.1' h2==4.4.1 >"$T/log" 2>&1 || { tail -3 "$T/log"; exit 2; }
cat >"$T/app.py" <<'P'
import time
def app(environ, start):
    if environ["PATH_INFO"] == "/slow": time.sleep(1)
    start("200 OK", [("Content-Length", "2")])
    return [b"ok"]
P
PORT=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
(cd "$T" && exec v/bin/gunicorn --bind "127.0.0.1:$PORT" --workers 1 --worker-class gthread --threads 4 --no-control-socket \
  --http-protocols h2,h1 --http2-cleartext prior-knowledge app:app >"$T/server" 2>&1) & SERVER=$!
# client [PID]: with a pid, it is sent HUP while stream 3 is on its way; prints the streams that were answered, and GOAWAY's last one
cat >"$T/client.py" <<'P'
import os, signal, socket, struct, sys, time
for _ in range(100):
    try: s = socket.create_connection(("127.0.0.1", int(sys.argv[1])), 20); break
    except OSError: time.sleep(0.1)
def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload
def request(stream, path):
    head = b"\x82\x86\x04" + bytes([len(path)]) + path + b"\x01\x01x"
    s.sendall(frame(1, 5, stream, head))
received = b""
def read():
    global received
    while len(received) < 9 or len(received) < 9 + int.from_bytes(received[:3], "big"):
        part = s.recv(4096)
        if not part: return None
        received += part
    length = int.from_bytes(received[:3], "big")
    kind, flags, stream, payload = received[3], received[4], received[5:9], received[9:9 + length]
    received = received[9 + length:]
    if kind == 4 and not flags & 1: s.sendall(frame(4, 1, 0))
    return kind, flags, int.from_bytes(stream, "big"), payload
answered, goaway = [], "none"
def until(done):
    global goaway
    while not done():
        got = read()
        if got is None: return
        if got[0] in (0, 1) and got[1] & 1: answered.append(got[2])
        if got[0] == 7: goaway = int.from_bytes(got[3][:4], "big")
s.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0))
request(1, b"/"); until(lambda: answered)
request(3, b"/slow" if len(sys.argv) > 2 else b"/")
if len(sys.argv) > 2: time.sleep(0.4); os.kill(int(sys.argv[2]), signal.SIGHUP)
until(lambda: False)
print("answered", *answered, "goaway", goaway)
P
IDLE=$(python3 "$T/client.py" "$PORT"); RELOAD=$(python3 "$T/client.py" "$PORT" $SERVER)
echo "gunicorn 27.0.1: keep-alive timeout: $IDLE; HUP: $RELOAD"
[ "$IDLE" = "answered 1 3 goaway 0" ] && [ "$RELOAD" = "answered 1 3 goaway none" ]
