#!/bin/bash
# etcd, a second one on the same data directory: it waits for the first one's lock on member/snap/db, without a word and without
# end. Expected (proc(5): "->" marks a request that is blocked by the lock in front of it): /proc/locks shows the wait, so that
# a supervisor can say what its silent server is waiting for.
# Seen (etcd 3.4.23, Debian 12): there is no such line. The database library, bbolt, sleeps 50 ms and asks flock(2) with
# LOCK_NB again, so the kernel knows of no waiter at all: the process looks idle. What does show it: it has the file open
# for writing and no "lock:" line in /proc/PID/fdinfo, while another process that has the same inode open does have
# one. As soon as the first ends the second one serves.
# usage: lock-wait-is-not-in-proc-locks.sh; exits non-zero if that has changed. Needs apt-get (download only), curl, python3.
set -u
T=$(mktemp -d); chmod 755 "$T"; PIDS=
trap 'kill $PIDS 2>/dev/null; wait 2>/dev/null; rm -rf "$T"' EXIT
cd "$T" && apt-get download -q etcd-server=3.4.23-4+b4 >"$T/apt.log" 2>&1 || { cat "$T/apt.log"; exit 2; }
dpkg -x etcd-server_*.deb x
port() { python3 -c 'import socket;s=socket.socket();s.bind(("127.0.0.1",0));print(s.getsockname()[1])'; }
start() { # client port, peer port, log
  "$T/x/usr/bin/etcd" --data-dir "$T/data" --listen-client-urls "http://127.0.0.1:$1" --advertise-client-urls "http://127.0.0.1:$1" \
    --listen-peer-urls "http://127.0.0.1:$2" --initial-advertise-peer-urls "http://127.0.0.1:$2" \
    --initial-cluster "default=http://127.0.0.1:$2" >"$3" 2>&1 &
}
healthy() { curl -s -m 2 "http://127.0.0.1:$1/health" | grep -q true; }
wait_for() { for _ in $(seq 150); do "$@" && return 0; sleep 0.1; done; return 1; }
A=$(port); start "$A" "$(port)" "$T/1.log"; P1=$!; PIDS=$P1
wait_for healthy "$A" || { cat "$T/1.log"; exit 2; }
B=$(port); start "$B" "$(port)" "$T/2.log"; P2=$!; PIDS="$P1 $P2"
open_db() { ls -l "/proc/$P2/fd" 2>/dev/null | grep -q 'member/snap/db$'; }
wait_for open_db || { echo "the second one does not open the database"; exit 1; }
sleep 1
INODE=$(stat -c %i "$T/data/member/snap/db")
held() { cat "/proc/$1/fdinfo/"* 2>/dev/null | grep -c "^lock:.*:$INODE "; }
WAITS=$(grep -c -- "->.*:$INODE " /proc/locks); H1=$(held "$P1"); H2=$(held "$P2")
echo "$("$T/x/usr/bin/etcd" --version | head -1)"
echo "waiters in /proc/locks: $WAITS; lock: lines of the first: $H1, of the second: $H2; words about a lock: $(grep -ci 'lock' "$T/2.log")"
healthy "$B" && { echo "the second one serves beside the first"; exit 1; }
kill "$P1"; wait "$P1" 2>/dev/null
wait_for healthy "$B" || { echo "the second one does not serve after the first has ended"; exit 1; }
echo "the first has ended: the second serves"
[ "$WAITS" = 0 ] && [ "$H1" -gt 0 ] && [ "$H2" = 0 ]
