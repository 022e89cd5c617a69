#!/bin/bash
# Expected: a server that is started although another one runs, and therefore does not start, ends with another status than 0.
# Seen: Apache httpd 2.4.71 in the foreground (Debian 12) says "already running" and ends with 0. A Node.js 20.20.2 cluster whose workers
# all fail with EADDRINUSE ends with 0, too: the workers die of it, and the primary, which has nothing left to wait for, of success.
# pm2-runtime 7.0.4 (npm) says "Script already launched", ends with 0, and takes the one that runs along, by its PM2_HOME. A deploy script with "set -e", a supervisor that
# restarts on failure, and a health check that asks for the status all take "it refuses to start" for "it has done its work".
# Needs apt-get (only "download"), npm and python3. Exit 0: it is as described.
set -u
T=$(mktemp -d); mkdir "$T/debs"; chmod 755 "$T"; PIDS=
trap 'kill $PIDS 2>/dev/null; wait 2>/dev/null; rm -rf "$T"' EXIT
cd "$T/debs" || exit 2
for p in apache2-bin=2.4.71-1~deb12u1 libapr1 libaprutil1 libpcre2-8-0 libuuid1; do
  apt-get -q download "$p" >>"$T/log" 2>&1 || { echo "cannot fetch $p"; exit 2; }
done
for d in *.deb; do dpkg-deb -x "$d" "$T/root"; done
cd "$T" && npm install --silent --no-audit --no-fund --prefix "$T" node@20.20.2 pm2@7.0.4 >>"$T/log" 2>&1 || { tail -3 "$T/log"; exit 2; }
export PATH=$T/node_modules/.bin:$PATH PM2_HOME=$T/pm2
R=$T/root; LIBS=$R/usr/lib/x86_64-linux-gnu:$R/lib/x86_64-linux-gnu
listens() { (exec 3<>"/dev/tcp/127.0.0.1/$P") 2>/dev/null; }
port() { P=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'); }
seen=
# try NAME COMMAND...: starts it twice; the status of the second one
try() {
  local name=$1 first; shift
  "$@" >"$T/$name.1" 2>&1 & first=$!; PIDS="$PIDS $first"
  for _ in $(seq 150); do listens && break; sleep 0.1; done
  listens || { echo "$name does not run: $(tail -2 "$T/$name.1")"; exit 2; }
  sleep 1; timeout 20 "$@" >"$T/$name.2" 2>&1; status=$?
  kill -0 $first && listens || echo "$name: the first one has ended"
  echo "$name: the second one ended with $status: $(grep -m1 -iE 'already|EADDRINUSE' "$T/$name.2")"; seen="$seen $status"
}
port
{ for m in mpm_event authz_core; do echo "LoadModule ${m}_module $R/usr/lib/apache2/modules/mod_$m.so"; done
  printf 'ServerRoot %s\nServerName x\nListen 127.0.0.1:%s\nPidFile %s\nErrorLog %s\nUser nobody\nGroup nogroup\n' "$T" "$P" "$T/apache.pid" "$T/apache.log"
} >"$T/apache.conf"
try apache env LD_LIBRARY_PATH="$LIBS" "$R/usr/sbin/apache2" -DFOREGROUND -f "$T/apache.conf"
port
cat >"$T/cluster.js" <<'J'
const cluster = require("cluster");
if (cluster.isPrimary) for (let i = 0; i < 2; i++) cluster.fork();
else require("http").createServer((q, r) => r.end("hello")).listen(+process.env.P, "127.0.0.1");
J
export P; try node-cluster node "$T/cluster.js"
port; export P; echo 'require("http").createServer((q, r) => r.end("hello")).listen(+process.env.P, "127.0.0.1");' >"$T/app.js"
try pm2-runtime pm2-runtime start "$T/app.js" -i 2
[ "$seen" = " 0 0 0" ]
