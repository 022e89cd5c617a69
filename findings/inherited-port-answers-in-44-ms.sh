#!/bin/bash
# uvicorn --help: "--fd INTEGER  Bind to socket from this file descriptor"; its documentation has it for Supervisor and Circus, and a socket
# unit of systemd or a restarter that keeps the port (`baton run --listen`) hands over the port that way.
# Expected: a descriptor of a TCP port serves as fast as the same port that uvicorn has bound itself.
# Seen: uvicorn 0.38.0 takes every descriptor for a Unix socket (socket.fromfd(fd, AF_UNIX)). It works, and says "running on socket
# ('127.0.0.1', 8000)"; but asyncio sets TCP_NODELAY on sockets only whose family it takes for IP, and uvicorn writes an answer in two
# parts, so the second part waits for the client's delayed acknowledgment: 41 to 48 ms for each request on a kept connection instead of 0.4.
# Cure: TCP_NODELAY on the descriptor before uvicorn gets it (NoDelay=yes in a socket unit; Linux hands it down to accepted ones).
# Needs python3 with venv. Exit 0: it is as described.
set -u
T=$(mktemp -d); trap 'rm -rf "$T"' EXIT
python3 -m venv "$T/v" && "$T/v/bin/pip" -q install uvicorn==0.38.0 click==8.3.0 h11==0.16.0 >"$T/log" 2>&1 || { cat "$T/log"; exit 2; }
cat >"$T/app.py" <<'P'
async def app(scope, receive, send):
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})
P
cd "$T" && python3 - <<'P'
import http.client, socket, statistics, subprocess, sys, time


def median(name, passed, no_delay):
    """Median of the time, in ms, that 20 requests on one connection take."""
    listener = socket.create_server(("127.0.0.1", 0))
    port, fd = listener.getsockname()[1], listener.fileno()
    if no_delay:
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if not passed:
        listener.close()
    at = ["--fd", str(fd)] if passed else ["--port", str(port)]
    server = subprocess.Popen(["v/bin/uvicorn", "--no-access-log", "--http", "h11", *at, "app:app"], pass_fds=[fd] if passed else [],
                              stderr=subprocess.PIPE, text=True)
    try:
        said = next(line for line in server.stderr if "running on" in line).strip()
        client, times = http.client.HTTPConnection("127.0.0.1", port, timeout=10), []
        for _ in range(20):
            began = time.perf_counter()
            client.request("GET", "/")
            assert client.getresponse().read() == b"ok"
            times.append((time.perf_counter() - began) * 1000)
    finally:
        server.kill()
        server.wait()
    print(f"{name}: {statistics.median(times):.1f} ms a request; {said.replace(str(port), 'PORT')}")
    return statistics.median(times)


bound = median("--port", False, False)
passed = median("--fd", True, False)
cured = median("--fd with TCP_NODELAY", True, True)
sys.exit(0 if passed > 35 and bound < 20 and cured < 20 else 1)
P
