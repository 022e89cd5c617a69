#!/bin/bash
# Apache's graceful stop (SIGWINCH, "apachectl graceful-stop"; the workers of a graceful restart end the same way).
# Expected of HTTP/2 (RFC 9113, 6.8): GOAWAY with NO_ERROR and 2^31-1, then one that names the last stream; each stream up
# to that one is answered, and those above may be sent again elsewhere.
# Seen: Apache 2.4.71 with mod_http2 (Debian 12), a connection with some streams a time: most stops end it with a second GOAWAY whose
# error code is 4294966394. That is -902, NGHTTP2_ERR_CALLBACK_FAILURE: an error of the library's caller, sent as if it were
# one of the protocol. A client that takes an unknown code for an error fails its requests; with many streams, some that the GOAWAY
# names as processed are never answered, so no client may repeat them.
# Needs apt-get (only "download"; nothing is installed) and python3. Exit 0: it is as described.
set -u
T=$(mktemp -d); chmod 755 "$T"; trap 'rm -rf "$T"' EXIT
cd "$T" && apt-get -q download apache2-bin=2.4.71-1~deb12u1 libapr1 libaprutil1 libnghttp2-14 libjansson4 liblua5.3-0 libcurl4 \
  >log 2>&1 || { cat log; exit 2; }
for package in *.deb; do dpkg-deb -x "$package" root || exit 2; done
export LD_LIBRARY_PATH=$T/root/usr/lib/x86_64-linux-gnu
cat >client.py <<'P'
import os, signal, socket, struct, subprocess, sys

FOLDER = sys.argv[1]
MODULES = FOLDER + "/root/usr/lib/apache2/modules/mod_"


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def stop_once():
    """GOAWAYs as (last stream, error code), and how many streams up to the last one got no answer."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with open(FOLDER + "/conf", "w") as conf:
        for name in ("mpm_event", "authz_core", "http2"):
            conf.write(f"LoadModule {name}_module {MODULES}{name}.so\n")
        conf.write(f"ServerRoot {FOLDER}\nServerName localhost\nPidFile {FOLDER}/pid\nErrorLog {FOLDER}/error.log\nUser daemon\nGroup daemon\n")
        conf.write(f"Listen 127.0.0.1:{port}\nProtocols h2c http/1.1\nH2Direct on\nDocumentRoot {FOLDER}/htdocs\n")
    server = subprocess.Popen([FOLDER + "/root/usr/sbin/apache2", "-DFOREGROUND", "-f", FOLDER + "/conf"])
    for tries in range(400):
        try:
            link = socket.create_connection(("127.0.0.1", port), 10)
            break
        except ConnectionRefusedError:
            signal.sigtimedwait([], 0.025)
    head = bytes([0x82, 0x86, 0x84, 0x01, 9]) + b"localhost"
    link.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0) + frame(8, 0, 0, struct.pack(">I", 1 << 30)))
    pending, answered, goaways, next_id, data, last = set(), 0, [], 1, b"", None

    def ask():
        nonlocal next_id
        link.sendall(frame(1, 5, next_id, head))
        pending.add(next_id)
        next_id += 2

    for each in range(4):
        ask()
    try:
        while True:
            more = link.recv(65536)
            if not more:
                break
            data += more
            while len(data) >= 9 and len(data) >= 9 + int.from_bytes(data[:3], "big"):
                length = int.from_bytes(data[:3], "big")
                kind, flags, stream = data[3], data[4], int.from_bytes(data[5:9], "big")
                payload, data = data[9:9 + length], data[9 + length:]
                if kind == 4 and not flags & 1:
                    link.sendall(frame(4, 1, 0))
                elif kind == 7:
                    last, code = struct.unpack(">II", payload[:8])
                    goaways.append((last, code))
                elif kind in (0, 1) and flags & 1 and stream in pending:
                    pending.discard(stream)
                    answered += 1
                    if answered == 400:
                        server.send_signal(signal.SIGWINCH)
                    if not goaways:
                        ask()
    except OSError:
        pass
    server.send_signal(signal.SIGTERM)
    server.wait(30)
    return goaways, len([stream for stream in pending if last is not None and stream <= last])


os.mkdir(FOLDER + "/htdocs")
with open(FOLDER + "/htdocs/index.html", "w") as page:
    page.write("hello\n")
seen = [stop_once() for each in range(10)]
for goaways, lost in seen:
    print("GOAWAY", " ".join(f"{last}/{code}" for last, code in goaways), f"unanswered: {lost}")
wrong = [1 for goaways, lost in seen if any(code == 2**32 - 902 for last, code in goaways)]
print(f"{len(wrong)} of {len(seen)} stops had error code 4294966394")
sys.exit(0 if wrong else 1)
P
python3 client.py "$T"
