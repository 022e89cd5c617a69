#!/bin/bash
# werkzeug.serving.make_server(host, port, app): "Create an appropriate WSGI server instance based on the value of threaded and
# processes"; host is "the host to bind to, for example 'localhost'".
# Expected: a server that is bound to an address in numbers needs no name: it listens at once, at 127.66.0.1 as at 127.0.0.1.
# Seen: Werkzeug 3.1.3 (PyPI), by http.server of Python, asks the resolver for the name of the address that it has bound
# (getfqdn in server_bind) before it listens. 127.0.0.1 is in /etc/hosts; for 127.66.0.1, or a private address of a container, a
# name server that does not answer delays the start by 10 s (resolv.conf: 5 s, twice).
# Needs python3 with venv, pip, unshare(1) and user namespaces (or root). Exit 0: it is as described.
set -u
T=$(mktemp -d); trap 'rm -rf "$T"' EXIT
python3 -m venv "$T/v" && "$T/v/bin/pip" install -q werkzeug==3.1.3 >"$T/log" 2>&1 || { tail -3 "$T/log"; exit 2; }
echo "nameserver 127.0.0.1" >"$T/resolv.conf"
cat >"$T/run.py" <<'P'
import socket, sys, time
from werkzeug.serving import make_server
silent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
silent.bind(("127.0.0.1", 53))
took = {}
for host in ("127.0.0.1", "127.66.0.1"):
    start = time.monotonic()
    make_server(host, 0, lambda environ, respond: []).server_close()
    took[host] = time.monotonic() - start
    print(f"{host}: listens after {took[host]:.1f} s", flush=True)
sys.exit(0 if took["127.0.0.1"] < 3 and took["127.66.0.1"] > 4 else 1)
P
unshare -rmn sh -c "mount --bind $T/resolv.conf /etc/resolv.conf && ip link set lo up && exec $T/v/bin/python $T/run.py"
