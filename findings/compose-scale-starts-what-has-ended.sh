#!/bin/bash
# Docker Compose: the way to a second container of a new image beside the old one, without a gap, is
#   up -d --no-recreate --scale web=2 web
# ("--no-recreate: If containers already exist, don't recreate them"). Expected: one container of web runs, two are asked for, so one is
# made, of the image that the file names now.
# Seen (Compose 2.26.1, Docker 20.10.24): containers that have ended count too. If the release before last has ended in order and was
# not removed, compose makes nothing: it starts that one again, with its old image, and reports success. The new image is not
# started at all, and where releases replace each other, by a hand-over or by a proxy that takes the newest, an old version goes
# live. Remove what has ended first: "docker compose rm -f web" removes only that.
# Needs root and apt-get (only "download"; nothing is installed; Compose 2 is of Debian 13, from the mirror that apt knows). Exit 0: it
# is as described.
set -u
T=$(mktemp -d); mkdir -p "$T"/{debs,none,state/lists/partial,cache/archives/partial,project,image/bin}; D=; : >"$T/status"
trap '[ -z "$D" ] || { docker rm -f $(docker ps -aq) >/dev/null 2>&1; kill "$D"; wait "$D"; }; rm -rf "$T"' EXIT
cd "$T/debs" || exit 2
fetch() { apt-get -q download "$1" >>"$T/log" 2>&1 || { echo "cannot fetch $1"; exit 2; }; }
for p in docker.io=20.10.24+dfsg1-1+deb12u1+b6 containerd=1.6.20~ds1-1+deb12u3 runc=1.1.5+ds1-1+deb12u1 libseccomp2 libdevmapper1.02.1 \
  libsystemd0 busybox-static; do fetch "$p"; done
mirror=$(apt-get --print-uris update | sed -n "s,^'\(.*\)/dists/bookworm/InRelease'.*,\1,p" | head -n 1)
echo "deb [arch=amd64] $mirror trixie main" >"$T/sources.list"
cat >"$T/apt.conf" <<C
$(apt-config dump Acquire | grep -Ev '^Acquire::(IndexTargets|Languages|GzipIndexes|Changelogs)')
Acquire::Languages "none"; APT::Sandbox::User ""; Dir::Etc::main "/dev/null"; Dir::Etc::parts "$T/none"; Dir::Etc::sourcelist "$T/sources.list";
Dir::Etc::sourceparts "$T/none"; Dir::Etc::preferences "/dev/null"; Dir::Etc::preferencesparts "$T/none"; Dir::State "$T/state";
Dir::State::status "$T/status"; Dir::Cache "$T/cache";
C
(export APT_CONFIG=$T/apt.conf; apt-get -qq update >>"$T/log" 2>&1; fetch docker-compose=2.26.1-4) || exit 2
for d in *.deb; do dpkg-deb -x "$d" "$T/root"; done
R=$T/root; export LD_LIBRARY_PATH=$R/usr/lib/x86_64-linux-gnu:$R/lib/x86_64-linux-gnu PATH=$R/usr/bin:$R/usr/sbin:$PATH DOCKER_HOST=unix://$T/s TAG
dockerd --bridge=none --iptables=false --ip6tables=false --storage-driver=vfs --data-root "$T/data" --exec-root "$T/exec" -H "$DOCKER_HOST" \
  -p "$T/pid" >>"$T/log" 2>&1 & D=$!
for _ in $(seq 200); do docker version >/dev/null 2>&1 && break; sleep 0.1; done
cp "$R/bin/busybox" "$T/image/bin/sh"; cp "$R/bin/busybox" "$T/image/bin/sleep"
for tag in 1 2 3; do tar -C "$T/image" -c . | docker import - "small:$tag" >/dev/null || { tail -3 "$T/log"; exit 2; }; done
cat >"$T/project/compose.yaml" <<'Y'
services:
  web:
    image: small:${TAG}
    network_mode: none
    stop_grace_period: 1s
    command: ["sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.1; done"]
Y
compose() { "$R/usr/libexec/docker/cli-plugins/docker-compose" --project-directory "$T/project" "$@" >>"$T/log" 2>&1; }
release() { TAG=$1; compose up -d --no-recreate --scale web=2 web; echo "release $1: compose ended with $?"; }
runs() { docker ps --format '{{.Image}}' | sort | xargs; }
echo "Docker $(docker version --format '{{.Server.Version}}'), $("$R/usr/libexec/docker/cli-plugins/docker-compose" version)"
TAG=1; compose up -d; release 2; docker stop "$(docker ps -q --filter ancestor=small:1)" >/dev/null; echo "runs after release 1 has ended: $(runs)"
release 3; forgotten=$(runs); echo "runs: $forgotten"
docker stop "$(docker ps -q --filter ancestor=small:1)" >/dev/null; compose rm -f web; release 3; removed=$(runs); echo "runs after rm, and once more: $removed"
[ "$forgotten" = "small:1 small:2" ] && [ "$removed" = "small:2 small:3" ]
