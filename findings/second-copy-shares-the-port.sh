#!/bin/bash
# bind(2): EADDRINUSE, "The given address is already in use". Starting a server a second time at the same port by mistake fails.
# Expected of a web server that was not asked for SO_REUSEPORT: the second copy ends with "Address already in use".
# Seen: Caddy 2.6.2 (Debian 12), granian 2.8.9 and hypercorn 0.18.0 with --workers 2 (PyPI) set SO_REUSEPORT without being asked. The
# second copy starts, says that it runs, and gets about half of the new connections: two versions, or two applications with a copied
# port, answer by turns. (Caddy's admin port does the same: "caddy reload" reaches either of the two.) "It started" is no
# proof that it is alone, and a deploy that starts the new one before it stops the old one mixes both from its first moment.
# hypercorn with one worker is refused, so a change of --workers changes what a second start does.
# Needs apt-get (only "download"), python3 with venv, and pip. Exit 0: it is as described.
set -u
T=$(mktemp -d); mkdir "$T/debs"; PIDS=
trap 'kill $PIDS 2>/dev/null; wait 2>/dev/null; rm -rf "$T"' EXIT
cd "$T/debs" || exit 2
for p in caddy=2.6.2-5 libzstd1; do apt-get -q download "$p" >>"$T/log" 2>&1 || { echo "cannot fetch $p"; exit 2; }; done
for d in *.deb; do dpkg-deb -x "$d" "$T/root"; done
python3 -m venv "$T/v" && "$T/v/bin/pip" install -q granian==2.8.9 hypercorn==0.18.0 >>"$T/log" 2>&1 || { tail -3 "$T/log"; exit 2; }
for n in 1 2; do
  mkdir "$T/$n"
  cat >"$T/$n/app.py" <<P
async def app(scope, receive, send):
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"9")]})
        await send({"type": "http.response.body", "body": b"version $n"})
P
done
# try NAME COMMAND...: starts it at $P from both folders; how many of 60 connections each one answers
try() {
  local name=$1; shift
  P=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
  for n in 1 2; do
    printf '{\n admin off\n auto_https off\n}\nhttp://127.0.0.1:%s {\n respond "version %s"\n}\n' "$P" $n >"$T/$n/Caddyfile"
    (cd "$T/$n" && HOME=$T exec "${@//@P/$P}" >>"$T/$name.log" 2>&1) & PIDS="$PIDS $!"
    for _ in $(seq 60); do (exec 3<>"/dev/tcp/127.0.0.1/$P") 2>/dev/null && break; sleep 0.25; done
    last=$!; [ $n = 1 ] || for _ in $(seq 12); do sleep 0.25; kill -0 $last 2>/dev/null || break; done
  done
  python3 - "$P" >"$T/answers" <<'P'
import collections, http.client, sys
answers = collections.Counter()
for _ in range(60):
    c = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=10)
    c.request("GET", "/")
    answers[c.getresponse().read().decode()] += 1
    c.close()
print(answers["version 1"], answers["version 2"])
P
  read -r one two <"$T/answers"; echo "$name: the first copy answered $one times, the second $two times"
  kill $PIDS 2>/dev/null; wait 2>/dev/null; PIDS=
}
try caddy "$T/root/usr/bin/caddy" run --config Caddyfile; [ "$one" -gt 5 ] && [ "$two" -gt 5 ] || exit 1
try granian "$T/v/bin/granian" --interface asgi --host 127.0.0.1 --port @P app:app; [ "$one" -gt 5 ] && [ "$two" -gt 5 ] || exit 1
try hypercorn-2-workers "$T/v/bin/hypercorn" --bind 127.0.0.1:@P --workers 2 app:app; [ "$one" -gt 5 ] && [ "$two" -gt 5 ] || exit 1
try hypercorn-1-worker "$T/v/bin/hypercorn" --bind 127.0.0.1:@P --workers 1 app:app; [ "$one" = 60 ] && [ "$two" = 0 ]
