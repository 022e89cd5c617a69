#!/bin/bash
# JetStream acknowledges a message when it is stored; its store is a directory of block files.
# Expected, as of PostgreSQL, etcd, MariaDB, LevelDB and others with a store directory: a second nats-server with the same store_dir
# does not start, or waits for a lock.
# Seen: nats-server 2.9.10 (Debian 12), with the same -sd and another port, starts and restores the stream beside the first
# one. Both acknowledge messages of that stream with the same sequence numbers, and the server that is started on the directory
# afterwards has fewer messages than were acknowledged. Every overlap of two copies does it: a blue-green restart, two containers
# with one volume, "start the new one, then stop the old one". Mosquitto's mosquitto.db has no lock either.
# Needs apt-get (only "download"; nothing is installed) and python3. Exit 0: it is as described.
set -u
T=$(mktemp -d); trap 'rm -rf "$T"' EXIT
cd "$T" && apt-get -q download nats-server=2.9.10-1+b3 >log 2>&1 && dpkg-deb -x nats-server*.deb root || { cat log; exit 2; }
exec 9< <(cat <<'P'
import json, signal, socket, subprocess, sys


def start():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    words = ["root/usr/sbin/nats-server", "-a", "127.0.0.1", "-p", str(port), "-js", "-sd", "store"]
    return subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=open("server.log", "a")), port


class Client:
    def __init__(self, port):
        for tries in range(200):
            try:
                self.socket = socket.create_connection(("127.0.0.1", port), 10)
                break
            except ConnectionRefusedError:
                signal.sigtimedwait([], 0.05)
        self.file = self.socket.makefile("rb")
        self.file.readline()
        self.socket.sendall(b'CONNECT {"verbose":false}\r\nSUB in 1\r\n')

    def ask(self, subject, body=b""):
        self.socket.sendall(b"PUB %s in %d\r\n%s\r\n" % (subject.encode(), len(body), body))
        while True:
            line = self.file.readline()
            if line.startswith(b"PING"):
                self.socket.sendall(b"PONG\r\n")
            elif line.startswith(b"MSG"):
                return json.loads(self.file.readline())

    def publish(self, count):
        """How many of them were acknowledged as stored."""
        return sum("seq" in self.ask("s", b"message") for _ in range(count))


def stop(server):
    server.send_signal(signal.SIGTERM)
    server.wait(20)


first, port = start()
old = Client(port)
assert "error" not in old.ask("$JS.API.STREAM.CREATE.S", b'{"name":"S","subjects":["s"]}')
acknowledged = old.publish(50)
second, port = start()
new = Client(port)
info = new.ask("$JS.API.STREAM.INFO.S")
print(f"{acknowledged} acknowledged by the first; the second one starts and has {info['state']['messages']}")
acknowledged += old.publish(50) + new.publish(50)
stop(first)
stop(second)
third, port = start()
stored = Client(port).ask("$JS.API.STREAM.INFO.S")["state"]["messages"]
stop(third)
print(f"{acknowledged} were acknowledged in all; a third one, started afterwards, has {stored}")
sys.exit(0 if acknowledged == 150 and stored < acknowledged else 1)
P
)
python3 /dev/fd/9
