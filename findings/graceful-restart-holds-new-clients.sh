#!/bin/bash
# Debian's unit of lighttpd has ExecReload=/bin/kill -USR1 $MAINPID: lighttpd's graceful restart, after a check of the configuration.
# Expected, as of nginx (HUP), Apache (USR1) and HAProxy (USR2): requests in flight are finished with the old configuration, and new
# clients are served with the new one meanwhile.
# Seen: lighttpd 1.4.69 (Debian 12) closes nothing and accepts nothing until the last request in flight is finished: one of 6 seconds,
# begun just before `systemctl reload`, makes each new client wait for 5 s and more; a download would for as long as it takes. No one is
# refused, and the log has only "graceful shutdown started". An idle kept connection costs 0.8 s. Under baton the next lighttpd
# serves beside the old one, which finishes the slow request.
# Needs apt-get (only "download"; nothing is installed) and python3. Exit 0: it is as described.
set -u
T=$(mktemp -d); trap 'rm -rf "$T"' EXIT
cd "$T" && apt-get -q download lighttpd=1.4.69-1 libnettle8 libpcre2-8-0 libxxhash0 >log 2>&1 || { cat log; exit 2; }
for package in *.deb; do dpkg-deb -x "$package" root || exit 2; done
grep -h ExecReload root/lib/systemd/system/lighttpd.service || exit 1
export LD_LIBRARY_PATH=$(echo root/usr/lib/*-linux-gnu)
timeout 90 python3 - <<'P'
import glob, http.client, http.server, signal, socket, subprocess, sys, threading, time


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/slow":
            begun.set()
            time.sleep(6)
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *words):
        pass


begun = threading.Event()
backend = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=backend.serve_forever, daemon=True).start()
with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]
modules, = glob.glob("root/usr/lib/lighttpd")
with open("conf", "w") as conf:
    conf.write(f'server.modules = ("mod_proxy")\nserver.document-root = "/tmp"\nserver.bind = "127.0.0.1"\nserver.port = {port}\n'
               f'proxy.server = ("/" => (("host" => "127.0.0.1", "port" => {backend.server_port})))\n')
server = subprocess.Popen(["root/usr/sbin/lighttpd", "-D", "-m", modules, "-f", "conf"], stderr=subprocess.DEVNULL)


def ask(path):
    """How long one new client waits for its answer."""
    began = time.monotonic()
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    client.request("GET", path, headers={"Connection": "close"})
    assert client.getresponse().read() == b"ok"
    return time.monotonic() - began


for tries in range(400):
    try:
        before = ask("/")
        break
    except ConnectionRefusedError:
        time.sleep(0.025)
slow = []
thread = threading.Thread(target=lambda: slow.append(ask("/slow")))
thread.start()
begun.wait(20)
server.send_signal(signal.SIGUSR1)
time.sleep(0.5)
during = ask("/")
thread.join()
after = ask("/")
print(f"a new client waits {before:.1f} s before, {during:.1f} s in the graceful restart, {after:.1f} s after it; the slow request took {slow[0]:.1f} s")
server.terminate()
server.wait(20)
sys.exit(0 if before < 2 and during > 4 and after < 2 else 1)
P
