#!/bin/bash
# Expected of a server whose data only one process may have: it takes the lock before it opens its port, so that a copy that must not
# run never answers a handshake; and "its port is open" says that it has its data. rsync 3.5.0 does so with its pid file.
# Seen (beanstalkd 1.12, Debian 12): bind, listen, and only then the lock on the directory of its log (-b); a second copy with the same
# directory listens, finds it locked, and ends with 10. Clients that meet it in between are reset. To whatever takes listen(2), or a
# successful connect, for "ready" (systemd sockets, wait-for-it, Server::Starter, a SO_REUSEPORT hand-over) the copy that is about to
# give up is ready. What tells is one step later: it waits for connections.
# Needs apt-get (only "download"; nothing is installed) and python3. Exit 0: it is as described.
set -u
T=$(mktemp -d); mkdir "$T/debs" "$T/data"; A=
trap 'kill -KILL $A 2>/dev/null; wait 2>/dev/null; rm -rf "$T"' EXIT
cd "$T/debs" || exit 2
for p in beanstalkd=1.12-2+b1 strace=6.1-0.1 rsync libpopt0 libunwind8 libsystemd0 libcap2 libgcrypt20 libgpg-error0 liblzma5 libzstd1 liblz4-1 \
  libacl1 libxxhash0 libssl3; do
  apt-get -q download "$p" >>"$T/log" 2>&1 || { echo "cannot fetch $p"; exit 2; }
done
for d in *.deb; do dpkg-deb -x "$d" "$T/root"; done
R=$T/root; export LD_LIBRARY_PATH=$R/usr/lib/x86_64-linux-gnu:$R/lib/x86_64-linux-gnu
port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
listens() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
first() { "$@" >/dev/null 2>&1 & A=$!; for _ in $(seq 100); do listens "$P" && return; sleep 0.1; done; echo "the first copy does not run"; exit 2; }
# order COMMAND...: what the second copy does, in its order; its status in $status
order() {
  "$R/usr/bin/strace" -f -o "$T/trace" -e trace=listen,fcntl,flock "$@" >"$T/said" 2>&1; status=$?
  order=$(sed -n 's/.*listen(.*/listen/p; s/.*F_SETLK,.*/lock/p; s/.*flock(.*/lock/p' "$T/trace" | uniq | xargs)
}
P=$(port); first "$R/usr/bin/beanstalkd" -l 127.0.0.1 -p "$P" -b "$T/data"
order "$R/usr/bin/beanstalkd" -l 127.0.0.1 -p "$(port)" -b "$T/data"
echo "$("$R/usr/bin/beanstalkd" -v): $order, ended with $status: $(tail -1 "$T/said" | sed "s|$T|...|")"
beanstalkd="$order $status"; kill "$A"; wait "$A" 2>/dev/null
conf() { printf 'pid file = %s\nport = %s\naddress = 127.0.0.1\nuse chroot = no\n' "$T/pid" "$1" >"$T/$1.conf"; echo "$T/$1.conf"; }
P=$(port); first "$R/usr/bin/rsync" --daemon --no-detach --config="$(conf "$P")"
order "$R/usr/bin/rsync" --daemon --no-detach --config="$(conf "$(port)")"
echo "$("$R/usr/bin/rsync" --version | head -1 | cut -d' ' -f1-4): $order, ended with $status: $(grep -i lock "$T/said" | tail -1 | sed "s|$T|...|")"
[ "$beanstalkd" = "listen lock 10" ] && [ "$order" = lock ] && [ "$status" != 0 ]
