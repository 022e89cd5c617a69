#!/bin/bash
# Bun (JavaScriptCore), Atomics.load on an Int32Array: compiled code loads by a locked write of the same value.
# Expected: a load reads. Memory that is mapped for reading can be read, and a page of a private mapping stays the file's page, so
# that a reader of a file that others write to (counters, a ring) sees their changes.
# Seen (Bun 1.4.5, Linux x64): interpreted, it reads. Once the function is compiled, by some ten thousand calls, it writes: the
# page becomes a private copy, and what others write to the file later is not seen. Plain reads of the same array, and Atomics.load
# on a BigInt64Array, do not do that; Deno 2.9.6 (V8) does not either. In memory that may only be read the write is refused.
# usage: bun-atomics-load-writes.sh; exits non-zero if that has changed. Needs npm, x64.
set -u
T=$(mktemp -d)
trap 'rm -rf "$T"' EXIT
cd "$T" && npm install --silent --no-audit --no-fund --prefix "$T" bun@1.4.5 >"$T/npm.log" 2>&1 || { cat "$T/npm.log"; exit 2; }
BUN="$T/node_modules/.bin/bun"
cat >s.js <<'J'
import { closeSync, openSync, writeFileSync, writeSync } from "node:fs";
const [, , how, calls] = process.argv;
writeFileSync("file", new Uint8Array(4096));
const memory = Bun.mmap("file", { shared: false });
const small = new Int32Array(memory.buffer);
const large = new BigInt64Array(memory.buffer);
const load = { plain: () => small[1], atomic: () => Atomics.load(small, 1), atomic64: () => Atomics.load(large, 1) }[how];
let sum = 0n;
for (let i = 0; i < Number(calls); i++) sum += BigInt(load());
// Another program writes to the file.
const file = openSync("file", "r+");
writeSync(file, new Uint8Array([7, 0, 0, 0]), 0, 4, 4);
closeSync(file);
console.log(`${how}, ${calls} calls: the file has 7, the mapping ${small[1]}`);
J
echo "Bun $("$BUN" --version)"
for CASE in "plain 1000000" "atomic64 1000000" "atomic 100" "atomic 1000000"; do "$BUN" s.js $CASE; done | tee seen
cat >expected <<'E'
plain, 1000000 calls: the file has 7, the mapping 7
atomic64, 1000000 calls: the file has 7, the mapping 7
atomic, 100 calls: the file has 7, the mapping 7
atomic, 1000000 calls: the file has 7, the mapping 0
E
cmp -s seen expected
