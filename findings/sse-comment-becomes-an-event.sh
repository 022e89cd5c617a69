#!/bin/bash
# A stream of server-sent events keeps its connection open with comments (": alive"), and says with "retry: 1000" when to come back.
# Expected (HTML standard, 9.2.6): a comment is ignored, "retry" sets the time, and an empty line after either ends a block without data,
# which makes no event.
# Seen: httpx-sse 0.4.3 makes an event without data of a block with only "retry", and of each ": alive" that an empty line follows once
# an id was seen, with that id again. sseclient 0.0.27 and aiosseclient 0.1.8 (all of PyPI) make one of "retry", sseclient of each comment
# too. A reader that parses data as JSON fails at the first heartbeat. sseclient-py 1.9.0 and requests-sse 0.5.3 make none.
# Without an empty line after them, a comment and a "retry" before the first event are nothing of their own for all five.
# Needs python3 with venv, and its registry. Exit 0: it is as described.
set -u
T=$(mktemp -d); trap 'rm -rf "$T"' EXIT
cd "$T" || exit 2
{ python3 -m venv v && v/bin/pip -q install httpx-sse==0.4.3 httpx==0.28.1 sseclient==0.0.27 aiosseclient==0.1.8 requests-sse==0.5.3 &&
  v/bin/pip -q install --no-deps --target py sseclient-py==1.9.0; } >log 2>&1 || { cat log; exit 2; }
cat >server.py <<'P'
import socket, sys, threading, time
END = sys.argv[1].encode().decode("unicode_escape").encode()
PARTS = [b"retry: 60000" + END, b"id: 1\ndata: {}\n\n", b": alive" + END, b": alive" + END, b"id: 2\ndata: {}\n\n"]

def serve(client):
    client.recv(4096)
    client.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nConnection: close\r\n\r\n")
    for part in PARTS:
        client.sendall(part)
        time.sleep(0.02)
    client.close()

listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
while True:
    threading.Thread(target=serve, args=listener.accept()[:1], daemon=True).start()
P
cat >client.py <<'P'
import asyncio, sys
name, url = sys.argv[1], f"http://127.0.0.1:{sys.argv[2]}/"

def show(data):
    print(data or "-", end=" ", flush=True)

if name == "httpx-sse":
    import httpx
    from httpx_sse import connect_sse
    with httpx.Client() as client, connect_sse(client, "GET", url) as source:
        for event in source.iter_sse():
            show(event.data)
elif name == "sseclient":
    import sseclient
    seen = 0
    for event in sseclient.SSEClient(url):
        show(event.data)
        seen += event.data != ""
        if seen == 2:
            break
elif name == "aiosseclient":
    from aiosseclient import aiosseclient
    async def main():
        async for event in aiosseclient(url):
            show(event.data)
    asyncio.run(main())
elif name == "requests-sse":
    from requests_sse import EventSource
    with EventSource(url, timeout=5) as source:
        seen = 0
        for event in source:
            show(event.data)
            seen += 1
            if seen == 2:
                break
else:
    sys.path.insert(0, "py")
    import requests, sseclient
    for event in sseclient.SSEClient(requests.get(url, stream=True)).events():
        show(event.data)
P
bad=0
check() { # end of a block, client, what it makes of it
  exec 9< <(exec python3 server.py "$1"); local server=$! port got
  read -r port <&9
  got=$(timeout 20 v/bin/python client.py "$2" "$port" 2>/dev/null)
  kill "$server"; exec 9<&-
  echo "$2, '$1' after a comment: $got"
  [ "${got% }" = "$3" ] || bad=1
}
check '\n\n' httpx-sse '- {} - - {}'
check '\n\n' sseclient '- {} - - {}'
check '\n\n' aiosseclient '- {} {}'
check '\n\n' sseclient-py '{} {}'
check '\n\n' requests-sse '{} {}'
for client in httpx-sse sseclient aiosseclient sseclient-py requests-sse; do check '\n' $client '{} {}'; done
exit $bad
