#!/bin/bash
# nginx.org, "Controlling nginx", Upgrading Executable on the Fly: "First, replace the old executable file with a new one. After that
# send the USR2 signal to the master process. The master process first renames its file with the process ID [...], then starts a new
# executable file".
# Expected: it does so in the foreground (daemon off), too, where containers and supervisors (runit, s6, supervisord) want it.
# Seen: nginx 1.22.1 (Debian 12): in the foreground it takes the process that started it for the old nginx of an upgrade that is under
# way: it compares its parent with the one it had at its start. While that process lives, USR2 does nothing but a line in the error log,
# "the changing binary signal is ignored: you should shutdown or terminate before either old or new binary's process", and no
# .oldbin file appears; a script that goes on with QUIT to the old master ends the service. Started in the background it works.
# Needs apt-get (only "download"), python3. Exit 0: it is as described.
set -u
T=$(mktemp -d); mkdir "$T/debs"
trap 'kill $(cat "$T"/*.pid "$T"/*.oldbin 2>/dev/null) 2>/dev/null; wait 2>/dev/null; rm -rf "$T"' EXIT
cd "$T/debs" || exit 2
for p in nginx=1.22.1-9+deb12u11 libpcre2-8-0; do apt-get -q download "$p" >>"$T/log" 2>&1 || { echo "cannot fetch $p"; exit 2; }; done
for d in *.deb; do dpkg-deb -x "$d" "$T/root"; done
export LD_LIBRARY_PATH="$T/root/usr/lib/x86_64-linux-gnu"
# try NAME on|off: starts it, sends USR2; which processes follow
try() {
  local name=$1 daemon=$2 p
  p=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
  cat >"$T/$name.conf" <<C
pid $T/$name.pid; error_log $T/$name.err; worker_processes 1; daemon $daemon;
events {}
http { access_log off; client_body_temp_path $T/b; proxy_temp_path $T/p; fastcgi_temp_path $T/f; uwsgi_temp_path $T/u;
  scgi_temp_path $T/s; server { listen 127.0.0.1:$p; return 200 served; } }
C
  "$T/root/usr/sbin/nginx" -c "$T/$name.conf" 2>>"$T/log" &
  for _ in $(seq 100); do [ -s "$T/$name.pid" ] && (exec 3<>"/dev/tcp/127.0.0.1/$p") 2>/dev/null && break; sleep 0.1; done
  kill -USR2 "$(cat "$T/$name.pid")"
  for _ in $(seq 30); do [ -e "$T/$name.pid.oldbin" ] || grep -q 'signal is ignored' "$T/$name.err" && break; sleep 0.1; done
  [ -e "$T/$name.pid.oldbin" ] && STARTED=yes || STARTED=no
  WHY=$(grep -o 'the changing binary signal is ignored' "$T/$name.err" | head -1)
  echo "nginx 1.22.1, daemon $daemon: USR2 starts a second master: $STARTED${WHY:+ ($WHY)}"
}
try foreground off; FOREGROUND="$STARTED $WHY"
try background on; BACKGROUND=$STARTED
[ "$FOREGROUND" = "no the changing binary signal is ignored" ] && [ "$BACKGROUND" = yes ]
