#!/bin/bash
# aiohttp's documentation, "Graceful shutdown": at the stop of the server, idle connections are closed and pending handlers are waited for, up
# to shutdown_timeout (60 s by default).
# Expected of an upload of which half has come at SIGTERM: its handler is a pending one; the rest is read, and it is answered, as uvicorn,
# hypercorn, granian, gunicorn (sync, gthread, gevent) and Node.js do.
# Seen: aiohttp 3.14.5 throws away what comes on a connection after the signal. The handler waits in read() for bytes that have arrived, the
# stop waits for the handler for all of shutdown_timeout, and then the upload is cut without an answer, status 0. A slow request without
# a body is answered. So one upload makes a stop as long as its limit, and is lost all the same; a longer limit makes both worse.
# Needs python3 with venv. Exit 0: it is as described.
set -u
T=$(mktemp -d); trap 'rm -rf "$T"' EXIT
cd "$T" && python3 -m venv v && v/bin/pip -q install aiohttp==3.14.5 uvicorn==0.54.0 >log 2>&1 || { tail -5 log; exit 2; }
cat >app.py <<'P'
import asyncio, sys


async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    while (message := await receive()).get("more_body"):
        pass
    if scope["path"] == "/slow":
        await asyncio.sleep(2)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


async def handle(request):
    await request.read()
    if request.path == "/slow":
        await asyncio.sleep(2)
    return web.Response(text="ok")

if __name__ == "__main__":
    from aiohttp import web
    application = web.Application()
    application.router.add_route("*", "/{name}", handle)
    web.run_app(application, host="127.0.0.1", port=int(sys.argv[1]), shutdown_timeout=5)
P
timeout 100 v/bin/python - <<'P'
import signal, socket, subprocess, sys, time


def run(name, *words):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen([word.replace("PORT", str(port)) for word in words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def connect():
        for tries in range(800):
            try:
                return socket.create_connection(("127.0.0.1", port), 30)
            except ConnectionRefusedError:
                time.sleep(0.025)

    def answer(link):
        try:
            return link.recv(1000).split(b"\r\n")[0].decode() or "closed without an answer"
        except ConnectionResetError:
            return "closed without an answer"

    upload, slow = connect(), connect()
    upload.sendall(b"POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello")
    slow.sendall(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
    time.sleep(0.7)
    began = time.monotonic()
    server.send_signal(signal.SIGTERM)
    time.sleep(0.3)
    upload.sendall(b"world")
    seen = answer(slow), answer(upload)
    server.wait(30)
    took = time.monotonic() - began
    print(f"{name}: slow request: {seen[0]}; upload: {seen[1]}; the stop took {took:.1f} s")
    return *seen, took


aiohttp = run("aiohttp, shutdown_timeout=5", "v/bin/python", "app.py", "PORT")
uvicorn = run("uvicorn", "v/bin/uvicorn", "--port", "PORT", "app:app")
ok = [seen.startswith("HTTP/1.1 200") for seen in (*aiohttp[:2], *uvicorn[:2])]
sys.exit(0 if ok == [True, False, True, True] and aiohttp[2] > 4.5 and uvicorn[2] < 4.5 else 1)
P
