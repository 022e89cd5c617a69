#!/bin/bash
# A proxy that sends clients away says "Connection: close" on HTTP/1.1, and GOAWAY on HTTP/2: Envoy, Go's net/http and Caddy make the
# second of the first, where an application sets the header.
# Expected of Varnish, whose VCL may set resp.http.Connection = "close" in vcl_deliver: HTTP/1.1 clients leave with that answer, and
# HTTP/2 clients get GOAWAY; and at SIGTERM both get one or the other.
# Seen: Varnish 7.1.1 (Debian 12): HTTP/1.1 is as expected. On HTTP/2 the header is not sent and nothing else is: the connection serves
# on; at SIGTERM it ends without GOAWAY, so that a client may repeat nothing of what it has in flight. The only way to be rid of
# HTTP/2 clients is to wait for timeout_idle.
# Needs apt-get (only "download"; nothing is installed), gcc for VCL, and python3. Exit 0: it is as described.
set -u
T=$(mktemp -d); chmod 755 "$T"; trap 'rm -rf "$T"' EXIT
cd "$T" && apt-get -q download varnish=7.1.1-2+deb12u1 libvarnishapi3 libjemalloc2 >log 2>&1 || { cat log; exit 2; }
for package in *.deb; do dpkg-deb -x "$package" root || exit 2; done
export LD_LIBRARY_PATH=$T/root/usr/lib/x86_64-linux-gnu:$T/root/usr/lib/x86_64-linux-gnu/varnish
cat >vcl <<'V'
vcl 4.1;
backend none none;
sub vcl_recv { return (synth(200)); }
sub vcl_synth { if (req.url == "/last") { set resp.http.Connection = "close"; } }
V
exec 9< <(cat <<'P'
import os, signal, socket, struct, subprocess, sys

folder = os.getcwd()
with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]
server = subprocess.Popen(["root/usr/sbin/varnishd", "-F", "-n", folder + "/n", "-a", f"127.0.0.1:{port}", "-f", folder + "/vcl",
                           "-T", "none", "-j", "none", "-p", "feature=+http2", "-p", "vmod_path=" + folder],
                          stdout=subprocess.DEVNULL, stderr=open("varnish.log", "w"))


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def connect():
    for tries in range(1200):
        try:
            return socket.create_connection(("127.0.0.1", port), 10)
        except ConnectionRefusedError:
            signal.sigtimedwait([], 0.025)
    raise SystemExit(open("varnish.log").read())


def kinds(link, until=None):
    data, seen = b"", []
    try:
        while more := link.recv(65536):
            data += more
            while len(data) >= 9 and len(data) >= 9 + int.from_bytes(data[:3], "big"):
                seen.append((data[3], data[4]))
                data = data[9 + int.from_bytes(data[:3], "big"):]
            if any(kind in (0, 1) and flags & 1 for kind, flags in seen) and until:
                return [kind for kind, flags in seen]
    except ConnectionResetError:
        seen.append(("reset", 0))
    return [kind for kind, flags in seen]


plain = connect()
plain.sendall(b"GET /last HTTP/1.1\r\nHost: a\r\n\r\n")
text = b""
while more := plain.recv(65536):
    text += more
says_close = b"connection: close" in text.lower()
print("HTTP/1.1:", "Connection: close, and the end" if says_close else "no header")
two = connect()
two.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0))
answers = []
for stream, path in ((1, b"/last"), (3, b"/last"), (5, b"/")):
    two.sendall(frame(1, 5, stream, bytes([0x82, 0x86, 4, len(path)]) + path + bytes([1, 1]) + b"a"))
    answers.append(kinds(two, "answer"))
server.send_signal(signal.SIGTERM)
at_end = kinds(two)
server.wait(30)
print("HTTP/2: frames of three answers", answers, "and at SIGTERM", at_end or "the end")
everything = [kind for each in answers for kind in each] + at_end
sys.exit(0 if says_close and 7 not in everything and all(0 in each or 1 in each for each in answers) else 1)
P
)
python3 /dev/fd/9
