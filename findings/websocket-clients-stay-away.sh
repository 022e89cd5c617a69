#!/bin/bash
# A WebSocket server that is restarted sends a close frame: 1001 "going away, such as a server going down" (RFC 6455, 7.4.1), or 1012 "service
# restart" (IANA's registry). Clients with a library that connects again by itself are back on the new process a moment later.
# Expected: they come back after each of the codes that servers really send when they are stopped with TERM.
# Seen: websockets 15.0.1 (PyPI) sends 1001: sockette 2.0.6 (npm) never comes back, although its readme has only 1000 and 1005 as exceptions.
# hypercorn 0.18.0 sends 1011, "internal error", 3 s after TERM: robust-websocket 1.0.0, and graphql-ws 6.4.2 with retryAttempts: 50 and
# shouldRetry: () => true, take that for final. uvicorn 0.54.0 sends 1012, after which all four come back; reconnecting-websocket 4.4.0 does
# so after each code. So after a deploy some pages stay silent until they are loaded again.
# Needs npm, node, python3 with venv. Exit 0: it is as described.
set -u
T=$(mktemp -d); trap 'rm -rf "$T"' EXIT
cd "$T" && { npm install --silent --no-audit --no-fund sockette@2.0.6 graphql-ws@6.4.2 graphql@16 robust-websocket@1.0.0 reconnecting-websocket@4.4.0 ws@8.23.0 &&
  python3 -m venv v && v/bin/pip -q install websockets==15.0.1 hypercorn==0.18.0 uvicorn==0.54.0; } >log 2>&1 || { tail -5 log; exit 2; }
cat >app.py <<'P'
import asyncio, signal, sys


# What graphql-ws wants to hear: its subprotocol, and an answer to its first message. The others say nothing.
async def app(scope, receive, send):
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept", "subprotocol": next(iter(scope["subprotocols"]), None)})
        while (message := await receive())["type"] != "websocket.disconnect":
            await send({"type": "websocket.send", "text": '{"type":"connection_ack"}'})


async def plain(port):
    from websockets.asyncio.server import serve

    async def handle(link):
        async for message in link:
            await link.send('{"type":"connection_ack"}')
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with serve(handle, "127.0.0.1", port, select_subprotocol=lambda link, offered: offered[0] if offered else None):
        await stop.wait()

if __name__ == "__main__":
    asyncio.run(plain(int(sys.argv[1])))
P
cat >clients.js <<'J'
const WebSocket = globalThis.WebSocket = require("ws"), url = (name) => `ws://127.0.0.1:${process.argv[2]}/${name}`;
globalThis.window = globalThis;
globalThis.addEventListener = globalThis.removeEventListener = () => {};
Object.defineProperty(globalThis, "navigator", { value: { onLine: true }, configurable: true });
process.on("uncaughtException", () => {}).on("unhandledRejection", () => {});
const say = (...words) => console.log(...words);
const watch = (name, link) => {
  link.addEventListener("open", () => say("open", name));
  link.addEventListener("close", ({ code }) => say("close", name, code));
};
const pick = (module) => module.default ?? module;
watch("reconnecting-websocket", new (pick(require("reconnecting-websocket")))(url("a"), [], { WebSocket, minReconnectionDelay: 300, maxReconnectionDelay: 500 }));
watch("robust-websocket", new (pick(require("robust-websocket")))(url("b")));
pick(require("sockette"))(url("c"), { timeout: 300, onopen: () => say("open", "sockette"), onclose: ({ code }) => say("close", "sockette", code) });
require("graphql-ws").createClient({ url: url("d"), webSocketImpl: WebSocket, lazy: false, retryAttempts: 50, shouldRetry: () => true, onNonLazyError: () => {},
  retryWait: () => new Promise((done) => setTimeout(done, 300)),
  on: { opened: () => say("open", "graphql-ws"), closed: ({ code }) => say("close", "graphql-ws", code) } });
setTimeout(() => process.exit(), 60000);
J
cat >try.py <<'P'
import socket, subprocess, sys, threading, time

NAMES = ["graphql-ws", "reconnecting-websocket", "robust-websocket", "sockette"]


def until(done, seconds):
    end = time.monotonic() + seconds
    while not done() and time.monotonic() < end:
        time.sleep(0.02)
    return done()


def run(words):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    def start():
        server = subprocess.Popen([word.replace("PORT", str(port)) for word in words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        assert until(lambda: socket.socket().connect_ex(("127.0.0.1", port)) == 0, 20), "does not listen"
        return server
    server = start()
    clients = subprocess.Popen(["node", "clients.js", str(port)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    seen = []
    threading.Thread(target=lambda: [seen.append(line.split()) for line in clients.stdout], daemon=True).start()
    opened = lambda: {name for what, name, *_ in seen if what == "open"}
    assert until(lambda: opened() == set(NAMES), 20), seen
    time.sleep(0.5)
    server.terminate()
    server.wait(20)
    codes = {code for what, _, *code in seen if what == "close" for code in code}
    first = codes.copy()
    seen.clear()
    server = start()
    until(lambda: opened() == set(NAMES), 6)
    back = sorted(opened())
    clients.kill()
    server.kill()
    server.wait()
    return first, back


right = True
for name, words, code, away in (
        ("uvicorn", ["v/bin/uvicorn", "--port", "PORT", "app:app"], "1012", []),
        ("websockets", ["v/bin/python", "app.py", "PORT"], "1001", ["sockette"]),
        ("hypercorn", ["v/bin/hypercorn", "-b", "127.0.0.1:PORT", "app:app"], "1011", ["graphql-ws", "robust-websocket"])):
    codes, back = run(words)
    stay = [client for client in NAMES if client not in back]
    print(f"{name}: close code {', '.join(sorted(codes))}; do not come back: {', '.join(stay) or 'none'}")
    right &= code in codes and stay == away
sys.exit(0 if right else 1)
P
timeout 100 v/bin/python try.py
