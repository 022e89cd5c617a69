#!/bin/bash
# unix(7): "bind: EADDRINUSE" where a path exists. Starting a server a second time at the same path by mistake should fail, as at a port.
# Expected: the second copy is refused while the first one serves; or, as it has the path now, it serves until it is stopped.
# Seen: Starman 0.4016 and thin 1.8.1 (Debian 12), waitress 3.0.0 (PyPI): the second copy removes the path without asking who is
# there, and gets all new clients; the first runs on, healthy for its process manager, and hears nobody. When the *first* one is
# then stopped (a deploy that starts the new one first, a forgotten copy), Starman and thin remove the path by its name, which
# leads to the second copy: that runs on, healthy, and can never be reached again. waitress leaves the path alone.
# A liveness check by process, or by a listening socket (ss -lx shows both as listening at the path), sees nothing wrong.
# Needs apt-get (only "download"), perl, ruby, python3 with venv, pip, gem's own files of Debian. Exit 0: it is as described.
set -u
T=$(mktemp -d); mkdir "$T/debs"; PIDS=
trap 'kill -9 $PIDS 2>/dev/null; wait 2>/dev/null; rm -rf "$T"' EXIT
cd "$T/debs" || exit 2
for p in thin=1.8.1-2 ruby-daemons ruby-eventmachine ruby-rack starman=0.4016-1 libplack-perl libhttp-parser-xs-perl libnet-server-perl \
  libdata-dump-perl libhash-multivalue-perl libhttp-message-perl libhttp-headers-fast-perl libhttp-entity-parser-perl libhttp-multipartparser-perl \
  libwww-form-urlencoded-perl libjson-maybexs-perl libmodule-pluggable-perl libstream-buffered-perl libtest-tcp-perl libtest-sharedfork-perl \
  libtry-tiny-perl liburi-perl libapache-logformat-compiler-perl libposix-strftime-compiler-perl libcookie-baker-perl \
  libdevel-stacktrace-perl libdevel-stacktrace-ashtml-perl libfilesys-notify-simple-perl libfile-sharedir-perl libclass-inspector-perl \
  libhttp-date-perl libio-html-perl liblwp-mediatypes-perl libencode-locale-perl libtimedate-perl libclone-perl; do
  apt-get -q download "$p" >>"$T/log" 2>&1 || { echo "cannot fetch $p"; exit 2; }
done
for d in *.deb; do dpkg-deb -x "$d" "$T/root"; done
export PERL5LIB=$T/root/usr/share/perl5:$(echo "$T"/root/usr/lib/*/perl5/5.*)
export RUBYLIB=$(for d in "$T"/root/usr/lib/ruby/vendor_ruby "$T"/root/usr/lib/*/ruby/vendor_ruby/3.*; do printf %s: "$d"; done)
python3 -m venv "$T/v" && "$T/v/bin/pip" install -q waitress==3.0.0 >>"$T/log" 2>&1 || { tail -3 "$T/log"; exit 2; }
for n in 1 2; do
  mkdir "$T/$n"
  echo "sub { [200, ['Content-Type' => 'text/plain'], ['version $n']] }" >"$T/$n/app.psgi"
  echo "run lambda { |env| [200, {'Content-Type' => 'text/plain'}, ['version $n']] }" >"$T/$n/config.ru"
  printf 'def app(env, start):\n    start("200 OK", [])\n    return [b"version %s"]\n' $n >"$T/$n/app.py"
done
# ask PATH: who answers, or why none does
ask() { python3 - "$1" <<'P'
import re, socket, sys, time
answer = "none"
for _ in range(40):
    try:
        s = socket.socket(socket.AF_UNIX); s.settimeout(5); s.connect(sys.argv[1])
        s.sendall(b"GET / HTTP/1.0\r\nHost: x\r\n\r\n"); text = b""
        while part := s.recv(4096): text += part
        answer = re.search(rb"version (\d)", text)[1].decode(); break
    except OSError as e: answer = type(e).__name__; time.sleep(0.1)
print(answer)
P
}
# try NAME COMMAND...
try() {
  local name=$1 sock=$T/$1.sock; shift
  (cd "$T/1" && exec "${@//@S/$sock}" >"$T/$name.1" 2>&1) & FIRST=$!; PIDS="$PIDS $FIRST"; BEFORE=$(ask "$sock")
  (cd "$T/2" && exec "${@//@S/$sock}" >"$T/$name.2" 2>&1) & SECOND=$!; PIDS="$PIDS $SECOND"
  for _ in $(seq 40); do BESIDE=$(ask "$sock"); [ "$BESIDE" = 2 ] && break; sleep 0.25; done
  kill -0 $FIRST 2>/dev/null && DEAF=lives || DEAF=ended
  kill -TERM $FIRST; wait $FIRST 2>/dev/null; AFTER=$(ask "$sock"); kill -0 $SECOND 2>/dev/null && LIVES=lives || LIVES=ended
  echo "$name: $BEFORE, then $BESIDE answers, the first $DEAF; the first is stopped: $AFTER answers, the second $LIVES"
  kill -9 $SECOND; wait $SECOND 2>/dev/null
}
try starman perl "$T/root/usr/bin/starman" --workers 1 --listen @S app.psgi
[ "$BEFORE $BESIDE $DEAF $AFTER $LIVES" = "1 2 lives FileNotFoundError lives" ] || exit 1
try thin ruby "$T/root/usr/bin/thin" -S @S -R config.ru start
[ "$BEFORE $BESIDE $DEAF $AFTER $LIVES" = "1 2 lives FileNotFoundError lives" ] || exit 1
try waitress "$T/v/bin/waitress-serve" --unix-socket=@S app:app
[ "$BEFORE $BESIDE $DEAF $AFTER $LIVES" = "1 2 lives 2 lives" ]
