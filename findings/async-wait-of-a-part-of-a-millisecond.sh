#!/bin/bash
# Atomics.waitAsync with a time-out of a part of a millisecond, on Node, Bun and Deno: a timer finer than setTimeout, or none.
# Expected: it resolves with "timed-out" after that time, as ECMAScript has it (milliseconds, with fractions), and a program that
# waits for nothing else waits for it: `await Atomics.waitAsync(...).value` is the whole program.
# Seen (Node 26.10.0, Bun 1.4.5, Deno 2.9.6; Linux x64), 0.25 ms, the median of 40 waits while a timer keeps the program alive:
# Bun waits for 0.25 ms and a little, so it can be used to look again soon. Node rounds to whole milliseconds: it does not wait at
# all, 0.02 ms, and 0.75 take 1. Deno takes more than a millisecond. And where nothing else is waited for, Node ends with status
# 13 and Deno with an error, before the time is over; Bun waits. With then() in place of await all three end with 0, and have
# not called it: a timer of setTimeout beside it keeps the program alive.
# usage: async-wait-of-a-part-of-a-millisecond.sh; exits non-zero if that has changed. Needs npm.
set -u
T=$(mktemp -d)
trap 'rm -rf "$T"' EXIT
cd "$T" && npm install --silent --no-audit --no-fund --prefix "$T" node@26.10.0 bun@1.4.5 deno@2.9.6 >"$T/npm.log" 2>&1 || { cat "$T/npm.log"; exit 2; }
cat >wait.mjs <<'J'
const word = new Int32Array(new SharedArrayBuffer(4));
const alive = setTimeout(() => {}, 60_000);
const took = [];
for (let i = 0; i < 40; i++) {
  const from = performance.now();
  await Atomics.waitAsync(word, 0, 0, 0.25).value;
  took.push(performance.now() - from);
  await new Promise((resolve) => setTimeout(resolve, 3));
}
clearTimeout(alive);
const median = took.toSorted((a, b) => a - b)[20];
const least = Math.min(...took);
console.log(median < 0.2 ? "it does not wait" : least < 1 ? "it waits for a part of a millisecond" : "it waits for a millisecond or more");
J
cat >alone.mjs <<'J'
await Atomics.waitAsync(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 50).value;
console.log("over");
J
sed 's/^await \(.*\);$/\1.then(console.log);/; /over/d' alone.mjs >then.mjs
BIN="$T/node_modules/.bin"
for RUN in "node" "bun" "deno run"; do
  NAME=${RUN%% *}
  echo "$NAME $("$BIN/$NAME" --version | head -1 | tr -d v | sed 's/deno //; s/ .*//'): $("$BIN"/$RUN wait.mjs)"
  "$BIN"/$RUN alone.mjs >out 2>/dev/null
  echo "$NAME alone: status $? $(cat out)"
  "$BIN"/$RUN then.mjs >out 2>/dev/null
  echo "$NAME, then: status $? $(cat out)"
done | tee seen
cat >expected <<'E'
node 26.10.0: it does not wait
node alone: status 13 
node, then: status 0 
bun 1.4.5: it waits for a part of a millisecond
bun alone: status 0 over
bun, then: status 0 
deno 2.9.6: it waits for a millisecond or more
deno alone: status 1 
deno, then: status 0 
E
cmp -s seen expected
