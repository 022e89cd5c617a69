#!/bin/bash
# A script that is open and has been removed or replaced, or is in a memfd, is run by descriptor: `interpreter /proc/self/fd/9`,
# which is also what execveat(2), fexecve(3) and a "#!" line make of it.
# Expected: it runs. The kernel opens that name whether or not the file has a path left, and an interpreter opens what it is given.
# Seen: sh, Python and Perl run it. Node 20.9.0 and Bun 1.4.5 do not: they first make a real path of the name by reading the link,
# get "/tmp/x/s.js (deleted)", and look for a file that is called so. The same holds for a memfd, where nothing was ever removed.
# A supervisor that keeps the old version open, to go back to it after a bad deploy, cannot start it again under these two.
# `node --preserve-symlinks-main` runs it; Bun has an option of that name, which does not help.
# Needs npm, python3 and perl. Exit 0: it is as described.
set -u
T=$(mktemp -d); trap 'rm -rf "$T"' EXIT
cd "$T" && npm install --silent --no-audit --no-fund --prefix "$T" node@20.9.0 bun@1.4.5 >npm.log 2>&1 || { cat npm.log; exit 2; }
N=$T/node_modules/.bin/node B=$T/node_modules/.bin/bun wrong=0
# check runs|fails TEXT INTERPRETER...
check() {
  local wanted=$1 text=$2 got; shift 2
  echo "$text" >s.js; exec 9<s.js; rm s.js
  got=$("$@" /proc/self/fd/9 2>&1); exec 9<&-
  [ "$got" = ran ] && seen=runs || seen=fails
  echo "${*##*/}: it $seen $(grep -om1 "[^ ']* (deleted)" <<<"$got")"
  [ "$seen" = "$wanted" ] || wrong=1
}
echo "Node $("$N" --version), Bun $("$B" --version)"
check runs 'echo ran' sh
check runs 'print("ran")' python3
check runs 'print "ran\n";' perl
check fails 'console.log("ran")' "$N"
check runs 'console.log("ran")' "$N" --preserve-symlinks-main
check fails 'console.log("ran")' "$B"
check fails 'console.log("ran")' "$B" --preserve-symlinks-main
exit $wrong
