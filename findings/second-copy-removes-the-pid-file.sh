#!/bin/bash
# A second copy of a daemon is started by mistake, finds its port in use, and ends with an error.
# Expected: the daemon that runs is as before, and its pid file, which was written before the second copy came, still names it.
# A copy that could not even bind has no business with it.
# Seen: when lighttpd 1.4.69, Privoxy 3.0.34 and Mosquitto 2.0.11 (Debian 12) give up, they remove the file, without a look at the
# pid in it: the daemon that runs has none for the rest of its life, and logrotate's "kill -HUP $(cat FILE)", monit and init scripts do
# not find it any more. tinyproxy 1.11.1 leaves the file alone. So a second copy, as of a blue-green restart or to try a
# configuration, needs a pid file of its own even if it is expected to fail. Needs apt-get (only "download"; nothing is installed) and python3. Exit 0: it is as described.
set -u
T=$(mktemp -d); mkdir "$T/debs" "$T/www"; chmod 755 "$T"; PIDS=
trap 'kill $PIDS 2>/dev/null; wait 2>/dev/null; rm -rf "$T"' EXIT
cd "$T/debs" || exit 2
for p in lighttpd=1.4.69-1 libnettle8 libpcre2-8-0 libxxhash0 privoxy=3.0.34-1 libbrotli1 libmbedcrypto7 libmbedtls14 libmbedx509-1 \
  libpcre3 mosquitto=2.0.11-1.2+deb12u2 libdlt2 libwrap0 libnsl2 libwebsockets17 libuv1 libcap2 libcjson1 libev4 tinyproxy-bin=1.11.1-2.1+deb12u1; do
  apt-get -q download "$p" >>"$T/log" 2>&1 || { echo "cannot fetch $p"; exit 2; }
done
for d in *.deb; do dpkg-deb -x "$d" "$T/root"; done
R=$T/root; export LD_LIBRARY_PATH=$R/usr/lib/x86_64-linux-gnu:$R/lib/x86_64-linux-gnu
port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
listens() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
# try NAME PORT COMMAND...: starts it twice, says what is in $T/NAME.pid then
try() {
  local name=$1 port=$2 first; shift 2
  "$@" >>"$T/$name.log" 2>&1 & first=$!; PIDS="$PIDS $first"
  for _ in $(seq 100); do listens "$port" && [ -s "$T/$name.pid" ] && break; sleep 0.1; done
  [ "$(cat "$T/$name.pid" 2>/dev/null)" = "$first" ] || { echo "$name does not run: $(tail -2 "$T/$name.log")"; exit 2; }
  timeout 20 "$@" >>"$T/$name.log" 2>&1; status=$?
  [ $status != 0 ] && [ $status != 124 ] && listens "$port" || { echo "$name: the second copy was not refused"; exit 2; }
  left=$([ "$(cat "$T/$name.pid" 2>/dev/null)" = "$first" ] && echo kept || echo gone)
  echo "$name: the second copy ended with $status, the first one serves, its pid file is $left"
}
P=$(port)
printf 'server.bind = "127.0.0.1"\nserver.port = %s\nserver.document-root = "%s"\nserver.pid-file = "%s"\n' "$P" "$T/www" "$T/lighttpd.pid" >"$T/l.conf"
try lighttpd "$P" "$R/usr/sbin/lighttpd" -D -m "$R/usr/lib/lighttpd" -f "$T/l.conf"; seen=$left
P=$(port); printf 'confdir %s\nlogdir %s\nlisten-address 127.0.0.1:%s\n' "$R/etc/privoxy" "$T" "$P" >"$T/p.conf"
try privoxy "$P" "$R/usr/sbin/privoxy" --no-daemon --pidfile "$T/privoxy.pid" "$T/p.conf"; seen="$seen $left"
P=$(port); printf 'listener %s 127.0.0.1\nallow_anonymous true\nuser root\npid_file %s\n' "$P" "$T/mosquitto.pid" >"$T/m.conf"
try mosquitto "$P" "$R/usr/sbin/mosquitto" -c "$T/m.conf"; seen="$seen $left"
P=$(port); printf 'Port %s\nListen 127.0.0.1\nPidFile "%s"\nMaxClients 5\nAllow 127.0.0.1\n' "$P" "$T/tinyproxy.pid" >"$T/t.conf"
try tinyproxy "$P" "$R/usr/bin/tinyproxy" -d -c "$T/t.conf"; seen="$seen $left"
[ "$seen" = "gone gone gone kept" ]
