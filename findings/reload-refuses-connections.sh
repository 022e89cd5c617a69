#!/bin/bash
# Debian's ssh.service has ExecReload=/bin/kill -HUP $MAINPID, after `sshd -t`; sshd(8): it "rereads its configuration file when it receives a
# hangup signal, SIGHUP, by executing itself with the name and options it was started with, e.g. /usr/sbin/sshd".
# Expected of a reload of a program that executes itself: the listening socket goes with it, as with nginx, HAProxy and baton's own upgrade;
# a client that connects meanwhile waits for some milliseconds.
# Seen: OpenSSH 9.2p1 closes its sockets first and binds them again after its start. Between the two connections are refused, and those that
# wait in the queue are reset: of 2,100 clients without a pause 150 in ten reloads, and more on a busy machine. Ansible, rsync and git
# see "Connection refused" then, and a health check that asks once sees a dead server. Sessions live on.
# Needs root, unshare, apt-get (only "download"; nothing is installed) and python3. Exit 0: it is as described.
set -u
[ "$(id -u)" = 0 ] || { echo "needs root"; exit 2; }
T=$(mktemp -d); trap 'rm -rf "$T"' EXIT
cd "$T" && apt-get -q download openssh-server openssh-client libwrap0 libnsl2 libtirpc3 libaudit1 libcap-ng0 libselinux1 libpam0g libsystemd0 \
  libgssapi-krb5-2 libkrb5-3 libk5crypto3 libkrb5support0 libkeyutils1 >log 2>&1 || { cat log; exit 2; }
for package in *.deb; do dpkg-deb -x "$package" root || exit 2; done
LD_LIBRARY_PATH=$(echo "$T"/root/usr/lib/*-linux-gnu):$(echo "$T"/root/lib/*-linux-gnu); export LD_LIBRARY_PATH
grep -h '^ExecReload' root/lib/systemd/system/ssh.service
root/usr/bin/ssh -V 2>&1 | grep -o 'OpenSSH_9\.2p1' || exit 1
root/usr/bin/ssh-keygen -q -t ed25519 -N '' -f key || exit 2
# sshd wants its user and /run/sshd, which the package makes: it gets them in a mount namespace of its own.
{ cat /etc/passwd; grep -q '^sshd:' /etc/passwd || echo 'sshd:x:65533:65534::/run/sshd:/usr/sbin/nologin'; } >passwd
cat >start <<'W'
#!/bin/sh
mount -t tmpfs run /run && mkdir -m 755 /run/sshd && mount --bind "$1/passwd" /etc/passwd && exec "$1/root/usr/sbin/sshd" -D -f "$1/conf"
W
chmod 755 start
timeout 90 python3 - "$T" <<'P'
import collections, signal, socket, subprocess, sys, threading, time

folder, = sys.argv[1:]
with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]
with open("conf", "w") as conf:
    conf.write(f"Port {port}\nListenAddress 127.0.0.1\nHostKey {folder}/key\nPidFile none\nMaxStartups 1000\n")
server = subprocess.Popen(["unshare", "--mount", folder + "/start", folder], stderr=open("sshd.log", "w"))
seen, done = collections.Counter(), threading.Event()


def connect():
    try:
        with socket.create_connection(("127.0.0.1", port), 10) as link:
            return "greeted" if link.recv(100).startswith(b"SSH-") else "closed"
    except OSError as error:
        return type(error).__name__


def clients():
    while not done.is_set():
        seen[connect()] += 1
        time.sleep(0.001)


for tries in range(400):
    if connect() == "greeted":
        break
    time.sleep(0.025)
threads = [threading.Thread(target=clients) for _ in range(3)]
for thread in threads:
    thread.start()
time.sleep(1)
calm = dict(seen)
for reload in range(10):
    server.send_signal(signal.SIGHUP)
    time.sleep(0.7)
done.set()
for thread in threads:
    thread.join()
alive = server.poll() is None
server.terminate()
server.wait(20)
print("before:", calm, "with 10 reloads:", dict(seen))
sys.exit(0 if alive and set(calm) == {"greeted"} and seen["ConnectionRefusedError"] > 0 else 1)
P
