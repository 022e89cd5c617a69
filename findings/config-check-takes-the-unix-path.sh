#!/bin/bash
# varnishd(1): "-C  Print VCL code compiled to C language and exit": the check of a configuration before a reload or in a deploy script.
# Expected: a check with the service's own options does not touch the running service; nor does a second start that is refused.
# Seen: Varnish 7.1.1 (Debian 12) with -a PATH removes the path and binds a socket of its own there while it reads its options,
# before it compiles anything and before it looks at its work directory. "varnishd -C -a PATH" ends with 0, and a second start with
# "Varnishd is already running", status 2, and both leave a dead node at the path: the running Varnish lives, its management says
# that the child is running, and every client is refused (ECONNREFUSED) until it is started again. With a port nothing happens.
# So leave -a out of a check (varnishd -C -f FILE), or give it another path.
# Needs apt-get (only "download"), gcc (varnishd compiles VCL), python3. Exit 0: it is as described.
set -u
T=$(mktemp -d); mkdir "$T/debs"; chmod 755 "$T"; PID=
trap '[ -z "$PID" ] || kill $PID 2>/dev/null; wait 2>/dev/null; rm -rf "$T"' EXIT
cd "$T/debs" || exit 2
for p in varnish=7.1.1-2+deb12u1 libvarnishapi3=7.1.1-2+deb12u1 libedit2 libjemalloc2 libncursesw6 libbsd0 libmd0; do
  apt-get -q download "$p" >>"$T/log" 2>&1 || { echo "cannot fetch $p"; exit 2; }
done
for d in *.deb; do dpkg-deb -x "$d" "$T/root"; done
export LD_LIBRARY_PATH=$(echo "$T"/root/usr/lib/*-linux-gnu | tr ' ' :):$(echo "$T"/root/usr/lib/*-linux-gnu/varnish | tr ' ' :)
V=$T/root/usr/sbin/varnishd
printf 'vcl 4.1;\nbackend default none;\nsub vcl_recv { return (synth(200)); }\n' >"$T/ok.vcl"
COMMON="-j none -p vmod_path=$(echo "$T"/root/usr/lib/*/varnish/vmods) -f $T/ok.vcl"
ask() { python3 - "$T/v.sock" <<'P'
import socket, sys, time
answer = "none"
for _ in range(40):
    try:
        s = socket.socket(socket.AF_UNIX); s.settimeout(5); s.connect(sys.argv[1])
        s.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"); answer = s.recv(12).decode().split()[-1]; break
    except OSError as e: answer = type(e).__name__; time.sleep(0.25)
print(answer)
P
}
start() { "$V" -F -n "$T/work" -a "$T/v.sock" $COMMON >"$T/out" 2>&1 & PID=$!; }
for how in check second; do
  start; BEFORE=$(ask)
  if [ $how = check ]; then "$V" -C -n "$T/other" -a "$T/v.sock" $COMMON >/dev/null 2>"$T/err"; else "$V" -F -n "$T/work" -a "$T/v.sock" $COMMON >/dev/null 2>"$T/err"; fi
  STATUS=$?; AFTER=$(ask); kill -0 $PID && LIVES=lives || LIVES=ended
  echo "$how: $BEFORE before; it ends with $STATUS, $(grep -o 'Varnishd is already running' "$T/err" || echo 'no error'); $AFTER after, the first $LIVES"
  [ "$BEFORE $AFTER $LIVES" = "200 ConnectionRefusedError lives" ] || { cat "$T/err" "$T/out"; exit 1; }
  if [ $how = check ]; then [ $STATUS = 0 ] || exit 1; else [ $STATUS = 2 ] || exit 1; fi
  kill $PID; wait $PID 2>/dev/null; PID=
done
