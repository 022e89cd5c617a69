#!/bin/bash
# runuser(1) and su(1) of util-linux run a command as another user; start scripts and containers put them in front of a server:
# runuser -u app -- server; su app -c "exec server".
# Expected: like setpriv, gosu and su-exec it becomes the server by execve; or, if it stays for its PAM session, it passes TERM on and
# waits for the server, as timeout(1), sudo and tini do. A server that takes six seconds for its last requests has them.
# Seen (util-linux 2.38.1, Debian 12): it stays, sends the server TERM when it gets TERM, and KILL two seconds later, whatever
# the server is doing. Neither manual says so. It then ends with 143, as if the server had died of TERM: no log of a supervisor
# shows the KILL. And QUIT, the graceful stop of nginx, php-fpm or unicorn, does nothing: neither runuser nor the server gets it.
# Needs root, apt-get (only "download"; nothing is installed) and python3. Exit 0: it is as described.
set -u
[ "$(id -u)" = 0 ] || { echo "needs root"; exit 2; }
T=$(mktemp -d); chmod 755 "$T"; PIDS=
trap 'exec 2>/dev/null; kill -KILL $PIDS; wait; rm -rf "$T"' EXIT
cd "$T" && apt-get -q download util-linux=2.38.1-5+deb12u3 >log 2>&1 && dpkg-deb -x util-linux_*.deb root || { cat log; exit 2; }
RUNUSER=$(find root -name runuser -type f -perm -u+x | head -1); SETPRIV=root/usr/bin/setpriv
"$RUNUSER" --version
PYTHON=$(for p in /usr/bin/python3 $(type -ap python3); do "$SETPRIV" --reuid 65534 --clear-groups "$p" -c "" 2>/dev/null && echo "$p" && break; done)
[ -n "$PYTHON" ] || { echo "needs a python3 that nobody may run"; exit 2; }
cat >server.py <<'P'
import os, signal, sys, time
def finish(number, _):
    print("got", signal.Signals(number).name, flush=True)
    time.sleep(6)
    print("has finished its requests", flush=True)
    os._exit(0)
signal.signal(signal.SIGTERM, finish)
signal.signal(signal.SIGQUIT, finish)
print(os.getpid(), flush=True)
while True: time.sleep(1)
P
lives() { local s; s=$(sed 's/.*) //' "/proc/$1/stat" 2>/dev/null) && [ "${s:0:1}" != Z ]; }
# try NAME SIGNAL COMMAND...: how the first process ended, or that it did not within 8 s, and what the server did
try() {
  local out=$T/$1 signal=$2 pid server state; shift 2
  "$@" "$PYTHON" server.py >"$out" 2>&1 & pid=$!
  for _ in $(seq 100); do [ -s "$out" ] && break; sleep 0.1; done
  server=$(head -1 "$out"); PIDS="$PIDS $pid $server"
  kill "-$signal" "$pid"
  for _ in $(seq 80); do lives "$pid" || break; sleep 0.1; done
  state="is running"; lives "$pid" || { wait "$pid" 2>/dev/null; state="ended with $?"; }
  result="it $state, the server $(lives "$server" && echo 'is running' || echo 'is gone'): $(tail -n +2 "$out" |
    grep -o 'got SIG.*\|has finished.*' | tr '\n' ' ')"
}
try s TERM "$SETPRIV" --reuid 65534 --clear-groups; a=$result; echo "setpriv, TERM: $a"
t=$SECONDS; try r TERM "$RUNUSER" -u nobody --; b=$result; took=$((SECONDS - t)); echo "runuser, TERM: $b(about $took s)"
try q QUIT "$RUNUSER" -u nobody --; c=$result; echo "runuser, QUIT: $c"
[ "$a" = "it ended with 0, the server is gone: got SIGTERM has finished its requests " ] &&
  [ "$b" = "it ended with 143, the server is gone: got SIGTERM " ] && [ "$took" -lt 5 ] &&
  [ "$c" = "it is running, the server is running: " ]
