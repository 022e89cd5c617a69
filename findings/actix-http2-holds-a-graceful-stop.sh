#!/bin/bash
# actix-web's SIGTERM is graceful: workers finish what they have, for shutdown_timeout (30 s by default), and the server ends when they
# are idle. RFC 9113, 6.8: a server that ends SHOULD send GOAWAY, so that a client leaves, and knows what it may send again.
# Expected of a silent HTTP/2 connection (bind_auto_h2c): GOAWAY and its end at the signal, as with hyper (axum, Rocket), Go and nginx.
# Seen: actix-web 4.18.1 says nothing on it and serves it on. It holds the whole server for the 30 s, though nothing is in flight, and is
# then cut, still without GOAWAY. Silent HTTP/1.1 connections are closed at once. So with one HTTP/2 client each stop takes 30 s, or until
# KILL. With shutdown_timeout(5), as here, it is 5 s.
# Needs cargo and python3. Exit 0: it is as described.
set -u
T=$(mktemp -d); trap 'rm -rf "$T"' EXIT
mkdir "$T/src" && cd "$T"
cat >Cargo.toml <<'P'
[package]
name = "app"
version = "0.1.0"
edition = "2021"
[dependencies]
actix-web = { version = "=4.18.1", default-features = false, features = ["macros", "http2"] }
P
cat >src/main.rs <<'P'
use actix_web::{get, App, HttpServer};
#[get("/")]
async fn root() -> &'static str { "ok" }
#[actix_web::main]
async fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1).unwrap();
    HttpServer::new(|| App::new().service(root)).workers(1).shutdown_timeout(5).bind_auto_h2c(address)?.run().await
}
P
cargo build -q >log 2>&1 || { tail -20 log; exit 2; }
python3 - "${CARGO_TARGET_DIR:-target}/debug/app" <<'P'
import signal, socket, struct, subprocess, sys, time

with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]
server = subprocess.Popen([sys.argv[1], f"127.0.0.1:{port}"])


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def connect():
    for tries in range(800):
        try:
            return socket.create_connection(("127.0.0.1", port), 60)
        except ConnectionRefusedError:
            signal.sigtimedwait([], 0.025)


def kinds(link, until=None):
    """Of the frames that come, up to the first one of `until`, or to the end."""
    data, seen = b"", []
    while until not in seen and (more := link.recv(65536)):
        data += more
        while len(data) >= 9 and len(data) >= 9 + int.from_bytes(data[:3], "big"):
            seen.append(data[3])
            data = data[9 + int.from_bytes(data[:3], "big"):]
    return seen


GOAWAY, DATA = 7, 0
plain, framed = connect(), connect()
plain.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
while not plain.recv(1000).endswith(b"ok"):
    pass
framed.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0) + frame(1, 5, 1, b"\x82\x86\x84\x01\x01a"))
assert DATA in kinds(framed, DATA)
server.send_signal(signal.SIGTERM)
began = time.monotonic()
assert plain.recv(10) == b""
print(f"HTTP/1.1: ends after {time.monotonic() - began:.1f} s")
rest = kinds(framed)
took = time.monotonic() - began
print(f"HTTP/2: ends after {took:.1f} s, {'GOAWAY' if GOAWAY in rest else 'no GOAWAY'}; status {server.wait(60)}")
sys.exit(0 if GOAWAY not in rest and took > 4 else 1)
P
