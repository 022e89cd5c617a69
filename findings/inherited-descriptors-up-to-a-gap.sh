#!/bin/bash
# A listening socket that a server has inherited on a number of its own (a supervisor's, a shell's exec 77<...): do the programs that
# the server starts get it, too? Then a left-behind helper keeps the port, and connections queue at it in vain.
# Expected: all JavaScript runtimes pass on nothing but what is asked for ("stdio" has the list), or all of them everything.
# Seen: Bun 1.4.5 passes on nothing. Deno 2.9.6 passes on everything. Node 26.10.0 goes by the number: its start marks inherited
# descriptors close-on-exec from 3 on, up to the first number above 15 that is free (uv_disable_stdio_inheritance), so 9 is not
# passed on, 77 is. A supervisor's descriptor that was numbered high "to be out of the way" is in every child of a Node server.
# usage: inherited-descriptors-up-to-a-gap.sh; exits non-zero if that has changed. Needs npm.
set -u
T=$(mktemp -d)
trap 'rm -rf "$T"' EXIT
cd "$T" && npm install --silent --no-audit --no-fund --prefix "$T" bun@1.4.5 deno@2.9.6 node@26.10.0 >"$T/npm.log" 2>&1 || { cat "$T/npm.log"; exit 2; }
BIN=$T/node_modules/.bin
cat >s.mjs <<'J'
import { spawnSync } from "node:child_process";
const list = spawnSync("sh", ["-c", "for n in 9 77; do [ -e /proc/self/fd/$n ] && printf ' %s' $n; done"]);
console.log(list.stdout.toString().trim() || "nothing");
J
exec 9</dev/null 77</dev/null
export DENO_NO_UPDATE_CHECK=1 DENO_DIR=$T/deno
bun=$("$BIN/bun" s.mjs); deno=$("$BIN/deno" run -A s.mjs); node=$("$BIN/node" s.mjs)
echo "children of Bun get $bun, of Deno $deno, of Node $node"
[ "$bun" = nothing ] && [ "$deno" = "9 77" ] && [ "$node" = 77 ]
