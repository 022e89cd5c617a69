#!/bin/bash
# Bun, process.stdout on a pipe: replacing descriptor 1 (dup2, as daemons and log rotation in the process do it, or a supervisor
# with SECCOMP_IOCTL_NOTIF_ADDFD) does not redirect it.
# Expected, as of any program that writes to descriptor 1: what is written after dup2(file, 1) goes to the file, by console.log
# and by process.stdout.
# Seen (Bun 1.4.5, Linux): at its first write process.stdout takes a private duplicate of descriptor 1 and keeps writing to the
# old pipe, while console.log writes to 1, the file. So one program prints to two places, and the reader of the old pipe sees no
# end of file. It sets O_NONBLOCK there, too, which a shell that shares the pipe gets with it.
# usage: bun-stdout-keeps-the-old-pipe.sh; exits non-zero if that has changed. Needs npm.
set -u
T=$(mktemp -d)
trap 'rm -rf "$T"' EXIT
cd "$T" && npm install --silent --no-audit --no-fund --prefix "$T" bun@1.4.5 >"$T/npm.log" 2>&1 || { cat "$T/npm.log"; exit 2; }
BUN="$T/node_modules/.bin/bun"
cat >s.js <<'J'
import { dlopen } from "bun:ffi";
import { openSync } from "node:fs";
const { symbols } = dlopen("libc.so.6", { dup2: { args: ["i32", "i32"], returns: "i32" } });
process.stdout.write("before, by process.stdout\n");
await Bun.sleep(20);
symbols.dup2(openSync("file", "w"), 1);
process.stdout.write("after, by process.stdout\n");
console.log("after, by console.log");
await Bun.sleep(20);
J
"$BUN" s.js | cat >pipe
echo "Bun $("$BUN" --version)"
sed 's/^/  the old pipe got: /' pipe
sed 's/^/  descriptor 1 got: /' file
[ "$(cat pipe)" = $'before, by process.stdout\nafter, by process.stdout' ] && [ "$(cat file)" = "after, by console.log" ]
