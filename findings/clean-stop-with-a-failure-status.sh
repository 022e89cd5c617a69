#!/bin/bash
# systemd.service(5): a service has ended well if it ended with 0, or by SIGHUP, SIGINT, SIGTERM or SIGPIPE. Most daemons without a
# handler die of SIGTERM, and those with one end with 0.
# Expected: after TERM to an idle daemon in the foreground, the status is 0, or it was killed by SIGTERM.
# Seen (Debian 12): mini_httpd 1.30, Dropbear 2022.83 and nats-server 2.9.10 catch TERM, stop in order, and end with 1; Privoxy 3.0.34
# ends with 15, the bare number of the signal, which is neither 0 nor 128 + 15. To a supervisor that restarts on failure, a requested
# stop of these is a crash, and "systemctl stop" leaves a failed unit without SuccessExitStatus=. (Dropbear ends with the same 1 when
# its port is in use: no status tells the two apart.)
# Needs apt-get (only "download"; nothing is installed) and python3. Exit 0: it is as described.
set -u
T=$(mktemp -d); mkdir "$T/debs" "$T/www"; PIDS=
trap 'kill $PIDS 2>/dev/null; wait 2>/dev/null; rm -rf "$T"' EXIT
cd "$T/debs" || exit 2
for p in mini-httpd=1.30-3 libssl3 dropbear-bin=2022.83-1+deb12u3 libgmp10 libtomcrypt1 libtommath1 nats-server=2.9.10-1+b3 \
  privoxy=3.0.34-1 libbrotli1 libmbedcrypto7 libmbedtls14 libmbedx509-1 libpcre3; do
  apt-get -q download "$p" >>"$T/log" 2>&1 || { echo "cannot fetch $p"; exit 2; }
done
for d in *.deb; do dpkg-deb -x "$d" "$T/root"; done
R=$T/root; export LD_LIBRARY_PATH=$R/usr/lib/x86_64-linux-gnu:$R/lib/x86_64-linux-gnu
port() { P=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'); }
listens() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
seen=
# try NAME COMMAND...: starts what listens at $P, sends TERM
try() {
  local name=$1 pid; shift
  "$@" >"$T/$name.log" 2>&1 & pid=$!; PIDS="$PIDS $pid"
  for _ in $(seq 100); do listens "$P" && break; sleep 0.1; done
  listens "$P" || { echo "$name does not run: $(tail -2 "$T/$name.log")"; exit 2; }
  sleep 0.5; kill -TERM "$pid"; wait "$pid"; status=$?
  echo "$name: ended with $status after TERM"; seen="$seen $status"
}
port; try mini_httpd "$R/usr/sbin/mini_httpd" -D -h 127.0.0.1 -p "$P" -d "$T/www"
"$R/usr/bin/dropbearkey" -t ed25519 -f "$T/key" >/dev/null 2>&1
port; try dropbear "$R/usr/sbin/dropbear" -F -E -r "$T/key" -P "$T/dropbear.pid" -p "127.0.0.1:$P"
port; try nats-server "$R/usr/sbin/nats-server" -a 127.0.0.1 -p "$P"
port; printf 'confdir %s\nlogdir %s\nlisten-address 127.0.0.1:%s\n' "$R/etc/privoxy" "$T" "$P" >"$T/p.conf"
try privoxy "$R/usr/sbin/privoxy" --no-daemon "$T/p.conf"
[ "$seen" = " 1 1 1 15" ]
