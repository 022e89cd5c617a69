#!/bin/bash
# Docker, --network container:NAME (compose: network_mode: "service:NAME"): the network is another container's.
# Documented: "unless-stopped: similar to always", which "always restarts the container ... if the daemon restarts". Expected: after a
# reboot, or a restart of the engine, a container with that policy runs again, as does the one whose network it uses.
# Seen (Docker 20.10.24, and 26.1.5): the engine starts all of them at once, in no order. Where the user of the network comes first, its start
# fails, its state is "exited" with 128 ("cannot join network of a non running container"), and no restart policy tries it
# again: the policy counts what has run. One restart of the engine in three or so leaves the service down with its port open
# in the container that has the network. compose's depends_on does not help: the engine does not know it.
# Needs root and apt-get (only "download"; nothing is installed). Exit 0: it is as described.
set -u
T=$(mktemp -d); mkdir -p "$T/debs" "$T/image/bin"; D=
trap '[ -z "$D" ] || { docker rm -f $(docker ps -aq) >/dev/null 2>&1; kill "$D"; wait "$D"; }; rm -rf "$T"' EXIT
cd "$T/debs" || exit 2
for p in docker.io=20.10.24+dfsg1-1+deb12u1+b6 containerd=1.6.20~ds1-1+deb12u3 runc=1.1.5+ds1-1+deb12u1 libseccomp2 libdevmapper1.02.1 \
  libsystemd0 busybox-static; do
  apt-get -q download "$p" >>"$T/log" 2>&1 || { echo "cannot fetch $p"; exit 2; }
done
for d in *.deb; do dpkg-deb -x "$d" "$T/root"; done
R=$T/root; export LD_LIBRARY_PATH=$R/usr/lib/x86_64-linux-gnu:$R/lib/x86_64-linux-gnu PATH=$R/usr/bin:$R/usr/sbin:$PATH DOCKER_HOST=unix://$T/s
cp "$R/bin/busybox" "$T/image/bin/sleep"; cp "$R/bin/busybox" "$T/image/bin/sh"
start() {
  dockerd --bridge=none --iptables=false --ip6tables=false --storage-driver=vfs --data-root "$T/data" --exec-root "$T/exec" -H "$DOCKER_HOST" \
    -p "$T/pid" >>"$T/log" 2>&1 & D=$!
  for _ in $(seq 200); do docker version >/dev/null 2>&1 && return; sleep 0.1; done
  echo "the engine does not start"; tail -3 "$T/log"; exit 2
}
start; echo "Docker $(docker version --format '{{.Server.Version}}')"
tar -C "$T/image" -c . | docker import - small >/dev/null
keep='trap exit TERM; while :; do sleep 1; done'
for n in 1 2 3; do
  docker run -d --stop-timeout 1 --name "network$n" --network none --restart unless-stopped small sh -c "$keep" >/dev/null
  docker run -d --stop-timeout 1 --name "user$n" --network "container:network$n" --restart unless-stopped small sh -c "$keep" >/dev/null
done
# Bounded: it is a race.
for i in $(seq 12); do
  kill "$D"; wait "$D"; start
  # All have been tried, and a policy that tried again would do so within a second.
  sleep 3
  name=$(docker ps -a --filter exited=128 --format '{{.Names}}' | grep -m1 '^user')
  [ -z "$name" ] && continue
  echo "restart $i of the engine: $name has ended with 128: $(docker inspect -f '{{.State.Error}}' "$name")"
  echo "policy $(docker inspect -f '{{.HostConfig.RestartPolicy.Name}}, restarted {{.RestartCount}} times' "$name"), the network: $(docker inspect -f '{{.State.Status}}' "network${name#user}")"
  [ "$(docker inspect -f '{{.State.Status}} {{.State.ExitCode}} {{.RestartCount}}' "$name")" = "exited 128 0" ] && exit 0
  exit 1
done
echo "12 restarts of the engine: each container came back"; exit 1
