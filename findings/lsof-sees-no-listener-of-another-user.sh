#!/bin/bash
# Expected of root in a container (Docker's default capabilities: all rights over files, not CAP_SYS_PTRACE): what it may not look into, it
# is told of. lsof -i of a port that a server of another user holds says so, or fails with a message.
# Seen: /proc/PID/fd can be listed (CAP_DAC_OVERRIDE), and each link in it is EACCES. So "how many descriptors" works and "which" does not:
# lsof 4.95.0 (Debian 12) prints nothing at all and ends with 1, exactly as for a port that is free. A script that waits for
# `lsof -iTCP:80 -sTCP:LISTEN` never ends where the server has dropped to its own user (gosu, setpriv), and one that asks "is the port
# free?" is told yes. Who asks by listing the folder alone ("may I look? yes. Has it the socket? no.") is wrong in the same way: look at
# one link first. What tells is the kernel's socket table (ss -ltn), which needs no right at all.
# Needs root, setpriv, python3, apt-get (only "download"; nothing is installed). Exit 0: it is as described.
set -u
[ "$(id -u)" = 0 ] || { echo "needs root"; exit 2; }
T=$(mktemp -d); P=
trap 'kill -KILL $P 2>/dev/null; wait 2>/dev/null; rm -rf "$T"' EXIT
cd "$T" || exit 2
for p in lsof=4.95.0-1 libtirpc3 libtirpc-common; do apt-get -q download "$p" >>log 2>&1 || { echo "cannot fetch $p"; exit 2; }; done
for d in *.deb; do dpkg-deb -x "$d" root; done
chmod 755 "$T"
export LD_LIBRARY_PATH=$T/root/lib/x86_64-linux-gnu:$T/root/usr/lib/x86_64-linux-gnu
setpriv --reuid 65534 --regid 65534 --clear-groups /usr/bin/python3 -c '
import socket, time
s = socket.socket(); s.bind(("127.0.0.1", 0)); s.listen(); print(s.getsockname()[1], flush=True); time.sleep(60)' >port & P=$!
for _ in $(seq 100); do [ -s port ] && break; sleep 0.1; done
PORT=$(cat port)
AS=(setpriv --bounding-set -sys_ptrace --inh-caps -all)
look() { "$@" root/usr/bin/lsof -nP "-iTCP:$PORT" -sTCP:LISTEN 2>err; echo "status $?"; cat err; }
echo "with CAP_SYS_PTRACE:"; look env | tee with; echo "without:"; look "${AS[@]}" | tee without
echo "descriptors listed without it: $("${AS[@]}" ls "/proc/$P/fd" | wc -l); links read: $("${AS[@]}" ls -l "/proc/$P/fd" 2>/dev/null | grep -c -- '->')"
grep -q "^python3 *$P .*:$PORT (LISTEN)" with || exit 1
[ "$(cat without)" = "status 1" ] || exit 1
[ "$("${AS[@]}" ls "/proc/$P/fd" | wc -l)" -gt 0 ] || exit 1
[ "$("${AS[@]}" ls -l "/proc/$P/fd" 2>/dev/null | grep -c -- '->')" = 0 ]
