#!/bin/bash
# Apache's graceful restart (SIGUSR1, "apachectl graceful", `systemctl reload apache2`): "causes the parent process to advise the children to
# exit after their current request"; its documentation has GracefulShutdownTimeout 0, without a limit, for the graceful stop.
# Expected of a request that takes six seconds and is in flight: it is answered, whichever of Apache's modules runs the application.
# Seen: Apache 2.4.71 (Debian 12): the processes of mod_wsgi 4.9.4 (WSGIDaemonProcess) and mod_fcgid 2.3.9 are children of the parent, which
# ends them within four seconds at each graceful restart: the request gets 500, and the log says "Truncated or oversized response headers"
# or "End of script output before headers". mod_wsgi's shutdown-timeout=60, raised for that, does not help.
# The same application behind mod_proxy is answered. So a reload of Apache for a certificate or its logs (certbot, logrotate) cuts requests.
# Needs apt-get (only "download"; nothing is installed) and perl. Exit 0: it is as described.
set -u
T=$(mktemp -d); chmod 755 "$T"; PIDS=
trap 'exec 2>/dev/null; kill -KILL $PIDS; wait; rm -rf "$T"' EXIT
mkdir -m 777 "$T/run" && mkdir "$T/debs" && cd "$T/debs" || exit 2
apt-get -q download apache2-bin=2.4.71-1~deb12u1 libapache2-mod-wsgi-py3=4.9.4-1+b2 libapache2-mod-fcgid=1:2.3.9-4 libapr1 libaprutil1 libpcre2-8-0 \
  libexpat1 libcrypt1 libuuid1 libpython3.11 libpython3.11-minimal libpython3.11-stdlib curl libcurl4 >"$T/log" 2>&1 || { cat "$T/log"; exit 2; }
cd "$T" || exit 2
for package in debs/*.deb; do dpkg-deb -x "$package" root || exit 2; done
LD_LIBRARY_PATH=$(echo "$T"/root/usr/lib/*-linux-gnu):$(echo "$T"/root/lib/*-linux-gnu); export LD_LIBRARY_PATH
cat >app.py <<'P'
import time


def application(environ, start):
    if environ["PATH_INFO"] == "/slow":
        time.sleep(6)
    start("200 OK", [("Content-Length", "2")])
    return [b"ok"]
P
# A responder of FastCGI, just enough for one request a connection: it answers when an empty STDIN record (type 5) has come.
cat >app.pl <<'P'
#!/usr/bin/perl
use strict;
open(my $listener, "+<&=", 0) or die;
while (accept(my $client, $listener)) {
  my $parameters = "";
  while (read($client, my $header, 8) == 8) {
    my (undef, $type, $id, $length, $padding) = unpack("CCnnC", $header);
    my $content = "";
    read($client, $content, $length) if $length;
    read($client, my $rest, $padding) if $padding;
    $parameters .= $content if $type == 4;
    next unless $type == 5 && !$length;
    select(undef, undef, undef, 6) if $parameters =~ m{/slow};
    my $answer = "Content-Type: text/plain\r\nContent-Length: 2\r\n\r\nok";
    syswrite($client, pack("CCnnCx", 1, 6, $id, length($answer), 0) . $answer . pack("CCnnCx", 1, 6, $id, 0, 0) . pack("CCnnCx", 1, 3, $id, 8, 0) . "\0" x 8);
    last;
  }
  close($client);
}
P
chmod 755 app.pl
cat >backend.pl <<'P'
use strict; use Socket;
my $listener;
socket($listener, PF_INET, SOCK_STREAM, 0) && bind($listener, sockaddr_in(0, INADDR_LOOPBACK)) && listen($listener, 9) or die;
$| = 1; print +(sockaddr_in(getsockname($listener)))[0], "\n";
while (accept(my $client, $listener)) {
  my $request = "";
  while (defined(my $line = <$client>)) { $request .= $line; last if $line eq "\r\n"; }
  sleep 6 if $request =~ m{/slow};
  syswrite($client, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok");
  close($client);
}
P
perl backend.pl >backend & PIDS=$!
PORT=$(perl -MSocket -e 'socket(my $s, PF_INET, SOCK_STREAM, 0); bind($s, sockaddr_in(0, INADDR_LOOPBACK)); print +(sockaddr_in(getsockname($s)))[0]')
for _ in $(seq 100); do [ -s backend ] && break; sleep 0.1; done
M=$T/root/usr/lib/apache2/modules
{
  for module in mpm_event authz_core alias proxy proxy_http wsgi fcgid; do echo "LoadModule ${module}_module $M/mod_$module.so"; done
  cat <<C
ServerName localhost
Listen 127.0.0.1:$PORT
DefaultRuntimeDir $T/run
PidFile $T/run/pid
ErrorLog $T/run/log
User nobody
Group nogroup
WSGISocketPrefix $T/run/wsgi
WSGIPythonHome $T/root/usr
WSGIDaemonProcess app processes=1 threads=4 shutdown-timeout=60
WSGIScriptAlias /wsgi $T/app.py process-group=app application-group=%{GLOBAL}
FcgidIPCDir $T/run/fcgid
FcgidProcessTableFile $T/run/table
ScriptAlias /fcgid $T/app.pl
ProxyPass /proxy http://127.0.0.1:$(cat backend)
<Directory $T>
Require all granted
Options +ExecCGI
<Files app.pl>
SetHandler fcgid-script
</Files>
</Directory>
C
} >conf
root/usr/sbin/apache2 -DFOREGROUND -f "$T/conf" >start 2>&1 & APACHE=$!; PIDS="$PIDS $APACHE"
ask() { root/usr/bin/curl -s -o /dev/null -m "$1" -w '%{http_code}' "http://127.0.0.1:$PORT$2"; }
for way in wsgi fcgid proxy; do
  for _ in $(seq 100); do [ "$(ask 5 /$way/)" = 200 ] && break; sleep 0.2; done
done
for way in wsgi fcgid proxy; do ask 30 /$way/slow >"$way" & WAIT="${WAIT:-} $!"; done
sleep 1; kill -USR1 "$APACHE"; wait $WAIT
for way in wsgi fcgid proxy; do echo "$way: the request in flight got $(cat $way)"; done
grep -ho 'Truncated or oversized response headers\|End of script output before headers' run/log
[ "$(cat wsgi fcgid proxy)" = 500500200 ] || { tail -n 9 run/log; exit 1; }
