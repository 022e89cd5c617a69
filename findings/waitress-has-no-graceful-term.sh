#!/bin/bash
# waitress shuts down in order: its run() catches KeyboardInterrupt and SystemExit, and task_dispatcher.shutdown() waits up to 5 s for
# requests that run. Service managers and containers stop a server with SIGTERM.
# Expected of waitress-serve, as of gunicorn, uvicorn, hypercorn, granian and daphne: a handler for SIGTERM that leads to the same end.
# Seen: waitress 3.0.2 has none. SIGTERM kills it (status -15), atexit handlers do not run, and a request in flight ends without an
# answer. With SIGINT the same request is answered, atexit runs, and the status is 0.
# Needs python3 with venv. Exit 0: it is as described.
set -u
T=$(mktemp -d); trap 'rm -rf "$T"' EXIT
python3 -m venv "$T/v" && "$T/v/bin/pip" -q install waitress==3.0.2 >"$T/log" 2>&1 || { cat "$T/log"; exit 2; }
cat >"$T/app.py" <<'P'
import atexit, pathlib, threading

atexit.register(lambda: pathlib.Path("atexit").write_text("ran"))


def app(environ, start):
    if environ["PATH_INFO"] == "/slow":
        threading.Event().wait(2)
    start("200 OK", [("Content-Length", "2")])
    return [b"ok"]
P
cd "$T" && v/bin/python - <<'P'
import pathlib, signal, socket, subprocess, sys


def run(name):
    pathlib.Path("atexit").unlink(missing_ok=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(["v/bin/waitress-serve", f"--listen=127.0.0.1:{port}", "app:app"], stderr=subprocess.DEVNULL)
    for tries in range(800):
        try:
            link = socket.create_connection(("127.0.0.1", port), 20)
            break
        except ConnectionRefusedError:
            signal.sigtimedwait([], 0.025)
    link.sendall(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
    signal.sigtimedwait([], 0.5)
    server.send_signal(name)
    try:
        answered = link.recv(1000).startswith(b"HTTP/1.1 200")
    except ConnectionResetError:
        answered = False
    seen = (answered, pathlib.Path("atexit").exists() if server.wait(20) is not None else None, server.returncode)
    print(f"{name.name}: answered {seen[0]}, atexit {seen[1]}, status {seen[2]}")
    return seen


term, interrupt = run(signal.SIGTERM), run(signal.SIGINT)
sys.exit(0 if term == (False, False, -15) and interrupt == (True, True, 0) else 1)
P
