#!/bin/bash
# Expected of a server whose only address is in use: it says so and ends, with a status other than 0, at once or after a few retries,
# and TERM ends it meanwhile.
# Seen: BIND named 9.18.49 (Debian 12) logs "creating TCP socket: address in use", then "running", and stays, without a TCP listener: to
# a supervisor it has started. (With the UDP port free or shared, as it sets SO_REUSEPORT there, it answers UDP; only long answers and
# zone transfers fail.) gearmand 1.1.20 stays, too, and retries; until it has given up it is deaf to TERM: 5 s later it is still there.
# "It lives for so many seconds, so it serves" (Server::Starter, runit, systemd's Type=simple) is wrong about both. What tells is
# the socket: who holds a listener at the address.
# Needs apt-get (only "download"; nothing is installed) and python3. Exit 0: it is as described.
set -u
T=$(mktemp -d); mkdir "$T/debs"; PIDS=
trap 'kill -KILL $PIDS 2>/dev/null; wait 2>/dev/null; rm -rf "$T"' EXIT
cd "$T/debs" || exit 2
for p in bind9=1:9.18.49-1~deb12u3 bind9-libs libcap2 libfstrm0 libjemalloc2 libjson-c5 liblmdb0 libmaxminddb0 libnghttp2-14 libprotobuf-c1 libssl3 libuv1 \
  libxml2 libicu72 gearman-job-server=1.1.20+ds-1 libboost-program-options1.74.0 libevent-2.1-7 libevent-core-2.1-7 libevent-pthreads-2.1-7 \
  libgnutls30 libgssapi-krb5-2 libhashkit2 libhiredis0.14 libk5crypto3 libkrb5-3 libkrb5support0 libkeyutils1 libldap-2.5-0 libmariadb3 \
  libmemcached11 libp11-kit0 libpq5 libsasl2-2 libsqlite3-0; do
  apt-get -q download "$p" >>"$T/log" 2>&1 || { echo "cannot fetch $p"; exit 2; }
done
for d in *.deb; do dpkg-deb -x "$d" "$T/root"; done
R=$T/root; LIBS=$R/usr/lib/x86_64-linux-gnu:$R/lib/x86_64-linux-gnu
exec 9< <(cat <<'P'
import os, socket, sys, threading, time
s = socket.socket()
s.bind(("127.0.0.1", 0))
s.listen(9)
print(s.getsockname()[1], flush=True)
time.sleep(600)
P
)
python3 /dev/fd/9 >"$T/port" & PIDS=$!
for _ in $(seq 100); do [ -s "$T/port" ] && break; sleep 0.1; done
P=$(cat "$T/port"); echo "port $P is in use"
printf 'options { directory "%s"; pid-file none; recursion no; listen-on port %s { 127.0.0.1; }; listen-on-v6 { none; };\n session-keyfile "%s/key"; };\ncontrols { };\n' \
  "$T" "$P" "$T" >"$T/named.conf"
LD_LIBRARY_PATH=$LIBS "$R/usr/sbin/named" -g -c "$T/named.conf" >"$T/named.log" 2>&1 & named=$!
LD_LIBRARY_PATH=$LIBS "$R/usr/sbin/gearmand" -L 127.0.0.1 -p "$P" -l "$T/gearmand.log" >"$T/gearmand.out" 2>&1 & gearmand=$!
PIDS="$PIDS $named $gearmand"; sleep 8
grep -m1 -i 'address in use' "$T/named.log"; grep -m1 ' running$' "$T/named.log" || { tail -3 "$T/named.log"; exit 1; }
kill -0 $named || exit 1; echo "named lives after 8 s"
tail -1 "$T/gearmand.log"; kill -0 $gearmand || { cat "$T/gearmand.out"; exit 1; }; echo "gearmand lives after 8 s"
kill -TERM $gearmand; sleep 5; kill -0 $gearmand || exit 1; echo "gearmand lives 5 s after TERM"
