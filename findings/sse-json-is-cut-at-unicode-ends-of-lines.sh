#!/bin/bash
# JSON as the data of a server-sent event, with U+2028 or U+0085 in a string (an error message, a name that somebody has pasted): valid JSON,
# and for server-sent events no end of a line, which is CR, LF, or both (HTML standard, 9.2.5). The encoding is always UTF-8.
# Expected: a client library gives out the data as it was sent.
# Seen: aiosseclient 0.1.8 (PyPI) cuts the data there, says "Invalid SSE line" on standard output about the rest, and gives out the
# beginning. sseclient 0.0.27 reads a stream without "charset" as ISO-8859-1, in which a byte of each of both characters is U+0085: it
# cuts there, silently. str.splitlines() knows eleven ends of lines. httpx-sse 0.4.3 and requests-sse 0.5.3 do as expected.
# A sender that escapes what is not ASCII (\u2028) is read by all of them.
# Needs python3 with venv, and its registry. Exit 0: it is as described.
set -u
T=$(mktemp -d); trap 'rm -rf "$T"' EXIT
cd "$T" || exit 2
{ python3 -m venv v &&
  v/bin/pip -q install httpx-sse==0.4.3 httpx==0.28.1 sseclient==0.0.27 aiosseclient==0.1.8 requests-sse==0.5.3; } >log 2>&1 ||
  { cat log; exit 2; }
cat >run.py <<'P'
import asyncio, json, socket, sys, threading
name, ascii = sys.argv[1], sys.argv[2] == "ascii"
SENT = json.dumps({"reason": "one\u2028two\u0085three"}, ensure_ascii=ascii)

def serve():
    while True:
        client = listener.accept()[0]
        client.recv(4096)
        client.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n")
        client.sendall(f"id: 1\ndata: {SENT}\n\n".encode())
        client.close()

listener = socket.create_server(("127.0.0.1", 0))
threading.Thread(target=serve, daemon=True).start()
url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
if name == "httpx-sse":
    import httpx
    from httpx_sse import connect_sse
    with httpx.Client() as client, connect_sse(client, "GET", url) as source:
        got = next(source.iter_sse()).data
elif name == "sseclient":
    import sseclient
    got = next(iter(sseclient.SSEClient(url))).data
elif name == "requests-sse":
    from requests_sse import EventSource
    with EventSource(url, timeout=5) as source:
        got = next(iter(source)).data
else:
    from aiosseclient import aiosseclient
    async def first():
        async for event in aiosseclient(url):
            return event.data
    got = asyncio.run(first())
print("whole" if got == SENT else "cut", flush=True)
P
bad=0
check() { # client, how it is sent, what comes
  local got; got=$(timeout 20 v/bin/python run.py "$1" "$2" 2>/dev/null | tail -1)
  echo "$1, sent as $2: $got"
  [ "$got" = "$3" ] || bad=1
}
check aiosseclient utf-8 cut
check sseclient utf-8 cut
check httpx-sse utf-8 whole
check requests-sse utf-8 whole
for client in aiosseclient sseclient httpx-sse requests-sse; do check $client ascii whole; done
exit $bad
