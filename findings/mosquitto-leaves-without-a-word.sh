#!/bin/bash
# MQTT 5 lets a server say why it ends a connection: DISCONNECT with a reason code, 0x8B "Server shutting down" among them
# (3.14.2.1), so that a client can tell that from a broken network, and comes back at once.
# Expected of a broker with MQTT 5: that packet to each MQTT 5 client at SIGTERM, and 0x8E "Session taken over" to one whose name another
# client takes, as the standard has it (3.1.4, MQTT-3.1.4-3).
# Seen: mosquitto 2.0.11 (Debian 12) sends neither: the connection ends, for MQTT 5 clients as for those of MQTT 3.1.1. A client cannot
# tell a restart from a lost network, for which it waits, nor from another client with its name, with which it takes turns for good.
# Needs apt-get (only "download"; nothing is installed) and python3. Exit 0: it is as described.
set -u
T=$(mktemp -d); trap 'rm -rf "$T"' EXIT
cd "$T" && apt-get -q download mosquitto=2.0.11-1.2+deb12u2 libmosquitto1 libcjson1 libdlt2 libwebsockets17 libev4 libuv1 libwrap0 \
  libsystemd0 >log 2>&1 || { cat log; exit 2; }
for package in *.deb; do dpkg-deb -x "$package" root || exit 2; done
export LD_LIBRARY_PATH=$T/root/usr/lib/x86_64-linux-gnu:$T/root/lib/x86_64-linux-gnu
python3 - <<'P'
import signal, socket, subprocess, sys

with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]
with open("conf", "w") as conf:
    conf.write(f"listener {port} 127.0.0.1\nallow_anonymous true\n")
server = subprocess.Popen(["root/usr/sbin/mosquitto", "-c", "conf"], stderr=subprocess.DEVNULL)


def connect(name, version):
    for tries in range(400):
        try:
            link = socket.create_connection(("127.0.0.1", port), 10)
            break
        except ConnectionRefusedError:
            signal.sigtimedwait([], 0.025)
    body = b"\0\4MQTT" + bytes([version, 2, 0, 60]) + (b"\0" if version == 5 else b"") + bytes([0, len(name)]) + name.encode()
    link.sendall(bytes([0x10, len(body)]) + body)
    assert link.recv(100)[0] == 0x20  # CONNACK
    return link


def rest(link):
    data = b""
    while more := link.recv(100):
        data += more
    return data


taken = connect("same", 5)
other = connect("same", 5)
takeover = rest(taken)
print("a session is taken over:", takeover.hex() or "nothing")
old = connect("old", 4)
server.send_signal(signal.SIGTERM)
at_stop = [rest(link) for link in (other, old)]
server.wait(20)
print("SIGTERM, MQTT 5 and 3.1.1:", [data.hex() or "nothing" for data in at_stop])
sys.exit(0 if takeover == b"" and at_stop == [b"", b""] else 1)
P
