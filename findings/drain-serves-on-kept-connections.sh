#!/bin/bash
# A server that ends gracefully finishes what is in flight. Expected of a client that sends one request after the other on a kept connection:
# its next answer says "Connection: close" (RFC 9112, 9.6), or at least the server closes after it, so the client goes elsewhere.
# Seen after SIGTERM: actix-web 4.11.0 (crates.io) and sanic 25.12.1 (PyPI) do neither. They answer request after request as if nothing were,
# until shutdown_timeout (actix, 30 s by default) or GRACEFUL_SHUTDOWN_TIMEOUT (sanic, 15 s) is over, then end with the connection, and
# with what is in flight on it. So a drain under load takes the whole time each time, as long as clients keep their connections, and
# the grace period meant for slow requests cuts one. granian 2.8.9 says close in its next answer; uvicorn 0.38.0 closes after it.
# Cure: "Connection: close" from the application once it is told to end.
# Needs cargo (with a CARGO_TARGET_DIR that is kept a second run is quick), python3 with venv. Exit 0: it is as described.
set -u
T=$(mktemp -d); trap 'rm -rf "$T"' EXIT
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$T/target}
cd "$T" && mkdir src || exit 2
cat >Cargo.toml <<'X'
[package]
name = "drain"
version = "0.1.0"
edition = "2021"
[dependencies]
actix-web = { version = "=4.11.0", default-features = false, features = ["macros"] }
X
cat >src/main.rs <<'R'
use actix_web::{web, App, HttpServer};

#[actix_web::main]
async fn main() -> std::io::Result<()> {
    let listener = std::net::TcpListener::bind(("127.0.0.1", std::env::args().nth(1).unwrap().parse().unwrap()))?;
    let slow = || async {
        actix_web::rt::time::sleep(std::time::Duration::from_secs(1)).await;
        "ok"
    };
    let app = move || App::new().route("/", web::get().to(|| async { "ok" })).route("/slow", web::get().to(slow));
    HttpServer::new(app).workers(1).shutdown_timeout(6).listen(listener)?.run().await
}
R
{ python3 -m venv v && v/bin/pip -q install sanic==25.12.1 granian==2.8.9 uvicorn==0.38.0 h11==0.16.0 click==8.3.0 && cargo build -q; } >log 2>&1 || { tail -5 log; exit 2; }
cat >asgi.py <<'P'
import asyncio

async def app(scope, receive, send):
    if scope["type"] == "http":
        await asyncio.sleep(1 if scope["path"] == "/slow" else 0)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})
P
cat >sanic_app.py <<'P'
import asyncio, sys
from sanic import Sanic, text
app = Sanic("a")
app.config.GRACEFUL_SHUTDOWN_TIMEOUT = 6.0

@app.get("/")
async def answer(request):
    return text("ok")

@app.get("/slow")
async def slow(request):
    await asyncio.sleep(1)
    return text("ok")

if __name__ == "__main__":
    app.run("127.0.0.1", int(sys.argv[1]), single_process=True, access_log=False)
P
v/bin/python - <<'P'
import os, socket, subprocess, sys, time

SERVERS = {
    "actix-web": [os.environ["CARGO_TARGET_DIR"] + "/debug/drain", "PORT"],
    "sanic": ["v/bin/python", "sanic_app.py", "PORT"],
    "granian": ["v/bin/granian", "--interface", "asgi", "--host", "127.0.0.1", "--port", "PORT", "asgi:app"],
    "uvicorn": ["v/bin/uvicorn", "--http", "h11", "--port", "PORT", "asgi:app"],
}


def ask(client, path=b"/", sent=lambda: None):
    """One answer's head, or None at the end of the connection."""
    try:
        client.sendall(b"GET " + path + b" HTTP/1.1\r\nHost: a\r\n\r\n")
        sent()
        answer = b""
        while not answer.endswith(b"ok"):
            if not (part := client.recv(10_000)):
                return None
            answer += part
        return answer.lower()
    except (ConnectionResetError, BrokenPipeError):
        return None


def drain(name):
    """SIGTERM while a client's request is in flight; it asks again and again: how many answers it gets, and for how long."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen([word.replace("PORT", str(port)) for word in SERVERS[name]], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _ in range(600):
        try:
            client = socket.create_connection(("127.0.0.1", port), 20)
            break
        except ConnectionRefusedError:
            time.sleep(0.05)
    assert ask(client)

    def stop():
        time.sleep(0.3)
        server.terminate()

    began, answer, answers, said = time.monotonic(), ask(client, b"/slow", stop), 0, False
    while answer is not None and not said and time.monotonic() - began < 20:
        answers, said = answers + 1, b"connection: close" in answer
        time.sleep(0.1)
        answer = None if said else ask(client)
    took = time.monotonic() - began
    client.close()
    server.kill()
    server.wait()
    print(f"{name}: {answers} answers with SIGTERM and after it, in {took:.1f} s, {'the last one' if said else 'none of them'} with Connection: close")
    return answers


seen = {name: drain(name) for name in SERVERS}
sys.exit(0 if seen["actix-web"] > 20 and seen["sanic"] > 20 and seen["granian"] <= 2 and seen["uvicorn"] <= 2 else 1)
P
