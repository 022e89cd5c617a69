#!/bin/bash
# Kubernetes sets variables in each pod for each Service of its namespace (kubernetes.io, "Environment variables" of Services): for
# a Service with the name uvicorn, UVICORN_SERVICE_HOST=10.96.0.7, UVICORN_PORT=tcp://10.96.0.7:8000, and some more. Docker's links
# set the same.
# Expected: a server starts whatever the Services of its namespace are called.
# Seen: uvicorn 0.34.3 and granian 2.3.4 (PyPI) take variables with their own name in front for options (click's
# auto_envvar_prefix). So a Deployment with a Service "uvicorn", or "granian", starts as long as there is no Service yet, and after
# the next restart no pod of it starts any more:
# "Invalid value for '--port': 'tcp://10.96.0.7:8000' is not a valid integer", status 2.
# With --port on the command line, or enableServiceLinks: false in the pod, it starts.
# baton's own variables have no such name: no option is called "port" or ends with it (test/unit/config/env_options_test.ts).
# Needs python3 with venv, and pip. Exit 0: it is as described.
set -u
T=$(mktemp -d); trap 'kill $PID 2>/dev/null; wait 2>/dev/null; rm -rf "$T"' EXIT; PID=
python3 -m venv "$T/v" && "$T/v/bin/pip" install -q uvicorn==0.34.3 granian==2.3.4 >"$T/log" 2>&1 || { tail -3 "$T/log"; exit 2; }
cat >"$T/app.py" <<'P'
async def app(scope, receive, send):
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})
P
cd "$T" || exit 2
PORT=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
answer() { python3 - "$PORT" <<'P'
import sys, time, urllib.request
for _ in range(80):
    try: print(urllib.request.urlopen(f"http://127.0.0.1:{sys.argv[1]}/", timeout=5).read().decode()); break
    except OSError: time.sleep(0.25)
P
}
refused() { # refused VARIABLE WORDS...: the server ends by itself
  NAME=$1; shift; env "$NAME=tcp://10.96.0.7:8000" timeout 60 "$@" >"$T/out" 2>&1; STATUS=$?
  echo "$NAME=tcp://10.96.0.7:8000 $(basename "$1"): status $STATUS, $(tail -1 "$T/out")"
  [ $STATUS = 2 ] && grep -q "Invalid value for '--port'" "$T/out"
}
refused UVICORN_PORT "$T/v/bin/uvicorn" app:app || exit 1
refused GRANIAN_PORT "$T/v/bin/granian" --interface asgi app:app || exit 1
UVICORN_PORT=tcp://10.96.0.7:8000 "$T/v/bin/uvicorn" --port "$PORT" app:app >"$T/out" 2>&1 & PID=$!
A=$(answer); echo "the same with --port $PORT: answers \"$A\""; [ "$A" = ok ]
