#!/bin/bash
# gRPC's way to spread long-lived clients over new servers: max_connection_age sends GOAWAY on each connection when it is that old, and
# max_connection_age_grace lets calls in flight finish there. Servers that drain (Envoy, grpc's stop(grace)) do the same.
# Expected of a gRPC client: the call in flight gets its answer, the next ones go over a new connection; no call fails, as with grpc-js.
# Seen: grpclib 0.4.9 (PyPI), the pure Python client for asyncio, drops the connection when GOAWAY comes: each call in flight fails at once with
# StreamTerminatedError "Connection lost", which has no gRPC status, so a retry by status does not see it. With an age of 30 minutes
# that is a handful of errors each half hour that look like a bad network. @grpc/grpc-js 1.14.7 (npm) loses none.
# Needs npm, node, python3 with venv. Exit 0: it is as described.
set -u
T=$(mktemp -d); PIDS=
trap 'exec 2>/dev/null; kill -KILL $PIDS; wait; rm -rf "$T"' EXIT
cd "$T" || exit 2
{ python3 -m venv v && v/bin/pip -q install grpcio==1.85.3 grpclib==0.4.9 h2==4.4.1 && npm install --silent --no-audit --no-fund @grpc/grpc-js@1.14.7; } \
  >log 2>&1 || { tail -5 log; exit 2; }
cat >server.py <<'P'
# /e.Echo/Say answers with what it was sent, after half a second; connections live for a second and a half.
import grpc, time
from concurrent import futures


class Say(grpc.GenericRpcHandler):
    def service(self, details):
        return grpc.unary_unary_rpc_method_handler(lambda request, context: time.sleep(0.5) or request)


server = grpc.server(futures.ThreadPoolExecutor(10), options=[("grpc.max_connection_age_ms", 1500),
                                                              ("grpc.max_connection_age_grace_ms", 20000)])
server.add_generic_rpc_handlers([Say()])
print(server.add_insecure_port("127.0.0.1:0"), flush=True)
server.start()
time.sleep(100)
P
cat >client.py <<'P'
import asyncio, collections, sys
from grpclib.client import Channel, UnaryUnaryMethod


class Codec:
    __content_subtype__ = "proto"
    encode = decode = staticmethod(lambda data, kind: data)


async def main():
    channel = Channel("127.0.0.1", int(sys.argv[1]), codec=Codec())
    say, seen = UnaryUnaryMethod(channel, "/e.Echo/Say", bytes, bytes), collections.Counter()
    for _ in range(16):
        try:
            await say(b"")
            seen["ok"] += 1
        except Exception as error:
            seen[f"{type(error).__name__} {error}"] += 1
    channel.close()
    print(", ".join(f"{count} times {what}" for what, count in sorted(seen.items(), reverse=True)))

asyncio.run(main())
P
cat >client.js <<'J'
const grpc = require("@grpc/grpc-js"), same = (data) => data;
const Echo = grpc.makeGenericClientConstructor({ Say: { path: "/e.Echo/Say", requestStream: false, responseStream: false,
  requestSerialize: same, requestDeserialize: same, responseSerialize: same, responseDeserialize: same } }, "Echo");
const client = new Echo(`127.0.0.1:${process.argv[2]}`, grpc.credentials.createInsecure());
(async () => {
  const seen = {};
  for (let call = 0; call < 16; call++) {
    const what = await new Promise((done) => client.Say(Buffer.alloc(0), (error) => done(error ? String(error) : "ok")));
    seen[what] = (seen[what] ?? 0) + 1;
  }
  console.log(Object.entries(seen).map(([what, count]) => `${count} times ${what}`).join(", "));
  process.exit();
})();
J
v/bin/python server.py >port & PIDS=$!
for _ in $(seq 200); do [ -s port ] && break; sleep 0.1; done
js=$(timeout 60 node client.js "$(cat port)" 2>&1); echo "grpc-js, 16 calls one after the other: $js"
py=$(timeout 60 v/bin/python client.py "$(cat port)" 2>&1); echo "grpclib, the same: $py"
[ "$js" = "16 times ok" ] && [[ $py == *"times ok, "*"StreamTerminatedError Connection lost"* || $py == *"StreamTerminatedError Connection lost, "*"times ok" ]]
