#!/bin/bash
# sd_notify(3): "RELOADING=1: Tells the service manager that the service is beginning to reload its configuration"; READY=1 says that
# the start-up, or such a reload, is finished.
# Expected: the first of the two that a freshly started server sends is READY=1.
# Seen (Debian 12): Caddy 2.6.2 ("caddy run") and HAProxy 2.6.12 (-Ws) send RELOADING=1 first, at their very start, before they listen
# or just after, though there is nothing to reload. systemd ignores it in a unit that is still starting. A supervisor of one's own that
# reads NOTIFY_SOCKET must do so too: if RELOADING=1 sets a "reload in progress" flag, as it should for a running service, then
# every start of these is a reload, and one that asks "has it been ready before?" is wrong about it.
# Needs apt-get (only "download"; nothing is installed) and python3. Exit 0: it is as described.
set -u
T=$(mktemp -d); mkdir "$T/debs"
trap 'rm -rf "$T"' EXIT
cd "$T/debs" || exit 2
for p in caddy=2.6.2-5 libzstd1 haproxy=2.6.12-1+deb12u4 liblua5.3-0 libopentracing-c-wrapper0 libopentracing1 libpcre2-8-0 libssl3 libsystemd0; do
  apt-get -q download "$p" >>"$T/log" 2>&1 || { echo "cannot fetch $p"; exit 2; }
done
for d in *.deb; do dpkg-deb -x "$d" "$T/root"; done
export R=$T/root T LD_LIBRARY_PATH=$T/root/usr/lib/x86_64-linux-gnu:$T/root/lib/x86_64-linux-gnu
exec 9< <(cat <<'P'
import os, signal, socket, subprocess, sys

T, R = os.environ["T"], os.environ["R"]


def free():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def first_states(name, command):
    """RELOADING and READY in the order in which they came, until READY=1."""
    path = f"{T}/{name}.sock"
    notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    notify.bind(path)
    notify.settimeout(20)
    env = {**os.environ, "NOTIFY_SOCKET": path, "HOME": T, "XDG_DATA_HOME": T, "XDG_CONFIG_HOME": T}
    server = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    seen = []
    try:
        while "READY" not in seen:
            lines = notify.recv(4096).decode().split("\n")
            seen += [line.split("=")[0] for line in lines if line in ("READY=1", "RELOADING=1")]
    except TimeoutError:
        pass
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(20)
    print(f"{name}: {' '.join(seen) or 'nothing'}", flush=True)
    return seen


with open(f"{T}/Caddyfile", "w") as f:
    f.write("{\n admin off\n auto_https off\n}\nhttp://127.0.0.1:%d {\n respond \"hello\"\n}\n" % free())
with open(f"{T}/haproxy.cfg", "w") as f:
    f.write("defaults\n mode http\n timeout client 5s\n timeout server 5s\n timeout connect 5s\n"
            "frontend f\n bind 127.0.0.1:%d\n http-request return status 200\n" % free())
caddy = first_states("caddy", [f"{R}/usr/bin/caddy", "run", "--config", f"{T}/Caddyfile"])
haproxy = first_states("haproxy", [f"{R}/usr/sbin/haproxy", "-Ws", "-f", f"{T}/haproxy.cfg"])
sys.exit(0 if caddy == haproxy == ["RELOADING", "READY"] else 1)
P
)
python3 /dev/fd/9
