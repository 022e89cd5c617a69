#!/bin/bash
# nghttpx(1), SIGUSR2: "Fork and execute nghttpx. It will execute the binary in the same path with same command-line arguments and
# environment variables. As of nghttpx version 1.20.0, the new main process sends SIGQUIT to the original main process".
# Expected: that upgrade works however nghttpx was started.
# Seen: nghttpx 1.52.0 (Debian 12) keeps the word that it was started by, and gives it to execve(2), which does not search in PATH.
# Started as "nghttpx" by a shell, a container's entrypoint or a supervisor, USR2 leads to "execve failed: errno=2" in its log, and
# the old version serves on: the upgrade has not happened. A script that sends QUIT to the old process itself, as
# for versions before 1.20, ends the service then. Started by its absolute path the upgrade works.
# Needs apt-get (only "download"), python3. Exit 0: it is as described.
set -u
T=$(mktemp -d); mkdir "$T/debs"; PIDS=
trap 'kill $PIDS $(cat "$T"/*.pid 2>/dev/null) 2>/dev/null; wait 2>/dev/null; rm -rf "$T"' EXIT
cd "$T/debs" || exit 2
for p in nghttp2-proxy=1.52.0-1+deb12u3 libnghttp2-14 libev4 libc-ares2 libjemalloc2 libbrotli1 libngtcp2-9 libnghttp3-3; do
  apt-get -q download "$p" >>"$T/log" 2>&1 || case $p in libngtcp2*|libnghttp3*|libbrotli*) ;; *) echo "cannot fetch $p"; exit 2;; esac
done
for d in *.deb; do dpkg-deb -x "$d" "$T/root"; done
export LD_LIBRARY_PATH="$T/root/usr/lib/x86_64-linux-gnu"
cd "$T" || exit 2
# try NAME PROGRAM: starts it by that word, sends USR2, then QUIT; says whether anything accepts then
try() {
  local name=$1 word=$2 p pid
  p=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
  printf 'frontend=127.0.0.1,%s;no-tls\nbackend=127.0.0.1,9\nworkers=1\npid-file=%s\n' "$p" "$T/$name.pid" >"$T/$name.conf"
  (PATH="$T/root/usr/sbin:$PATH" exec "$word" --conf="$T/$name.conf" >"$T/$name.log" 2>&1) & pid=$!; PIDS="$PIDS $pid"
  for _ in $(seq 100); do (exec 3<>"/dev/tcp/127.0.0.1/$p") 2>/dev/null && break; sleep 0.1; done
  kill -USR2 $pid; for _ in $(seq 30); do grep -q -e 'execve failed' "$T/$name.log" && break; sleep 0.1; done
  kill -QUIT $pid 2>/dev/null; for _ in $(seq 100); do kill -0 $pid 2>/dev/null || break; sleep 0.1; done
  (exec 3<>"/dev/tcp/127.0.0.1/$p") 2>/dev/null && SERVES=yes || SERVES=no
  WHY=$(grep -o 'execve failed: errno=[0-9]*' "$T/$name.log" | head -1)
  echo "nghttpx 1.52.0 started as $name: after USR2, and QUIT to the old one, it serves: $SERVES${WHY:+ ($WHY)}"
}
try word nghttpx; BY_WORD="$SERVES $WHY"
try path "$T/root/usr/sbin/nghttpx"; BY_PATH=$SERVES
[ "$BY_WORD" = "no execve failed: errno=2" ] && [ "$BY_PATH" = yes ]
