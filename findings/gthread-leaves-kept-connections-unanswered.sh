#!/bin/bash
# gunicorn's graceful stop (SIGTERM, graceful_timeout) finishes what its workers have. Its workers with kept connections (--keep-alive)
# tell those clients: a gevent or eventlet worker answers what comes on such a connection meanwhile, with "Connection: close".
# Expected of the gthread worker: the same, or the connection is closed at once.
# Seen: gunicorn 23.0.0 -k gthread keeps a silent connection open at SIGTERM while another request runs, and reads nothing from it any
# more. A request that is sent on it waits, is never answered, and is reset when the worker ends. gevent answers it.
# Needs python3 with venv. Exit 0: it is as described.
set -u
T=$(mktemp -d); trap 'rm -rf "$T"' EXIT
python3 -m venv "$T/v" && "$T/v/bin/pip" -q install gunicorn==23.0.0 gevent==26.9.0 >"$T/log" 2>&1 || { cat "$T/log"; exit 2; }
cat >"$T/app.py" <<'P'
import time


def app(environ, start):
    if environ["PATH_INFO"] == "/slow":
        time.sleep(3)
    start("200 OK", [("Content-Length", "2")])
    return [b"ok"]
P
cd "$T" && v/bin/python - <<'P'
import signal, socket, subprocess, sys, time


def connect(port):
    for tries in range(800):
        try:
            return socket.create_connection(("127.0.0.1", port), 20)
        except ConnectionRefusedError:
            signal.sigtimedwait([], 0.025)


def ask(link, path=b"/"):
    link.sendall(b"GET " + path + b" HTTP/1.1\r\nHost: a\r\n\r\n")


def answer(link):
    data = b""
    try:
        while not data.endswith(b"ok"):
            data += (more := link.recv(1000))
            if not more:
                return "closed without an answer"
    except ConnectionResetError:
        return "reset"
    return data.split(b"\r\n")[0].decode() + (", Connection: close" if b"Connection: close" in data else "")


def run(kind):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(["v/bin/gunicorn", "-b", f"127.0.0.1:{port}", "-k", kind, "--threads", "4", "--keep-alive", "30",
                               "app:app"], stderr=subprocess.DEVNULL)
    kept, slow = connect(port), connect(port)
    ask(kept)
    assert answer(kept).startswith("HTTP/1.1 200")
    ask(slow, b"/slow")
    signal.sigtimedwait([], 0.5)
    server.send_signal(signal.SIGTERM)
    signal.sigtimedwait([], 0.7)
    began = time.monotonic()
    ask(kept)
    seen = answer(kept)
    waited = time.monotonic() - began
    print(f"{kind}: after {waited:.1f} s: {seen}; the slow request: {answer(slow)}")
    server.wait(30)
    return seen, waited


gthread, waited = run("gthread")
gevent, _ = run("gevent")
sys.exit(0 if gthread in ("reset", "closed without an answer") and waited > 1 and gevent.startswith("HTTP/1.1 200") else 1)
P
