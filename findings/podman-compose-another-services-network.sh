#!/bin/bash
# The Compose specification: network_mode: "service:{name}" "gives the container access to the specified container's network only", and
# ${VARIABLE:?error} "exits with an error message if VARIABLE is unset or empty", else is its value. Expected of a tool that reads compose files:
# both, or a refusal.
# Seen (podman-compose 1.0.3, the one of Debian 12): it hands "service:network" to podman as the name of a network and adds its
# default network beside it, so podman refuses the container; it knows ${VARIABLE:-default} but not ${VARIABLE:?}, which reaches
# podman as the name of the image, set or not; and it ends with 0. podman-compose 1.6.0 does the first as container:NAME, and
# the second right.
# Needs python3 with venv, and PyPI; podman is played by a script that notes what it is asked. Exit 0: it is as described.
set -u
T=$(mktemp -d); trap 'rm -rf "$T"' EXIT; mkdir "$T/project"
cat >"$T/podman" <<'P'
#!/bin/sh
case "$*" in
  --version*) echo "podman version 4.3.1" ;;
  ps* | *inspect*) echo '[]' ;;
  *) printf '%s\n' "$*" >>"$LOG" ;;
esac
P
chmod 755 "$T/podman"
cat >"$T/project/compose.yaml" <<'Y'
services:
  network:
    image: small:1
    command: ["sleep", "infinity"]
  web:
    image: "small:${TAG:?}"
    network_mode: "service:network"
Y
# asked VERSION: how podman is asked to make the second container
asked() {
  python3 -m venv "$T/$1" && "$T/$1/bin/pip" install -q "podman-compose==$1" >"$T/pip.log" 2>&1 || { tail -3 "$T/pip.log"; exit 2; }
  export LOG=$T/log.$1 TAG=2
  (cd "$T/project" && PATH=$T:$PATH "$T/$1/bin/podman-compose" --podman-path "$T/podman" up -d >"$T/out" 2>&1); status=$?
  asked=$(grep -E '^(run|create) .*_web_1' "$LOG" | grep -oE -- '--net(work)?[= ][^ ]+|[^ ]+$' | xargs)
  echo "podman-compose $1 ended with $status: $asked"
}
asked 1.0.3; old="$status $asked"
asked 1.6.0; new="$status $asked"
[ "$old" = '0 --network service:network --net project_default small:${TAG:?}' ] && [ "$new" = "0 --network=container:project_network_1 small:2" ]
