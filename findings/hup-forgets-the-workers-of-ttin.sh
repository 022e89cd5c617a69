#!/bin/bash
# Expected of a prefork server whose number of workers was changed by TTIN: a reload of it (HUP) starts as many workers as there were,
# since the configuration that it reads again has not changed.
# Seen: gunicorn 23.0.0 goes back to the configured number at HUP: 2, with two TTIN 4, after HUP 2 again, without a word in its log.
# (unicorn 6.0.0 at HUP and puma 5.6.5 at USR2 do the same; puma at USR1, a phased restart, keeps them.) uvicorn 0.38.0 keeps them: 4.
# Who scales up and then deploys under load has the old number again after that. baton keeps the number (docs/workers.md).
# Needs python3 with venv, and PyPI. Exit 0: it is as described.
set -u
T=$(mktemp -d); P=
trap 'kill -KILL $P 2>/dev/null; wait 2>/dev/null; rm -rf "$T"' EXIT
python3 -m venv "$T/v" && "$T/v/bin/pip" -q install gunicorn==23.0.0 packaging==25.0 uvicorn==0.38.0 click==8.3.0 h11==0.16.0 || exit 2
cat >"$T/app.py" <<'A'
def wsgi(env, start):
    start("200 OK", [("Content-Length", "2")])
    return [b"ok"]

async def asgi(scope, receive, send):
    while scope["type"] == "lifespan":
        kind = (await receive())["type"]
        await send({"type": kind + ".complete"})
        if kind == "lifespan.shutdown":
            return
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})
A
cd "$T" || exit 2
workers() { ps --no-headers -o args --ppid "$1" | grep -vc 'resource_tracker\|defunct'; }
port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
reaches() { for _ in $(seq 100); do [ "$(workers "$1")" = "$2" ] && return; sleep 0.1; done; return 1; }
after_hup() {
  reaches "$P" 2 || return 1
  sleep 2; kill -TTIN "$P"; reaches "$P" 3 || return 1
  sleep 1; kill -TTIN "$P"; reaches "$P" 4 || return 1
  sleep 1; kill -HUP "$P"; sleep 8
}
"$T/v/bin/gunicorn" -w 2 -b "127.0.0.1:$(port)" app:wsgi >"$T/g.log" 2>&1 & P=$!
after_hup || { cat "$T/g.log"; exit 1; }
G=$(workers "$P"); kill -TERM "$P"; wait "$P"
"$T/v/bin/uvicorn" --workers 2 --port "$(port)" app:asgi >"$T/u.log" 2>&1 & P=$!
after_hup || { cat "$T/u.log"; exit 1; }
U=$(workers "$P"); kill -TERM "$P"; wait "$P"
echo "2 configured, 4 by TTIN; after HUP: gunicorn 23.0.0 $G, uvicorn 0.38.0 $U"
[ "$G" = 2 ] && [ "$U" = 4 ]
