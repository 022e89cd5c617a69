#!/bin/bash
# A build writes its program beside the old one and renames it, so that a start never finds half of it.
# Expected of `bun build --compile`: the name of the output file has no influence on what is in it; two builds are the same.
# Seen with Bun 1.4.5: the base name (not the folder) is in the program, in several places (the name of its entry in /$bunfs). With
# a pid in the temporary name no two builds are the same, and the program calls itself by that name in its stack traces for good.
# With one name in a folder of its own, also for another target, builds are the same, byte for byte.
# Needs npm. Exit 0: it is as described.
set -u
T=$(mktemp -d); trap 'rm -rf "$T"' EXIT
cd "$T" && npm install --silent --no-audit --no-fund --prefix "$T" bun@1.4.5 >npm.log 2>&1 || { cat npm.log; exit 2; }
B=$T/node_modules/.bin/bun wrong=0
echo 'console.log(import.meta.url)' >s.ts
# build FILE
build() {
  mkdir -p "${1%/*}"
  "$B" build --compile --bytecode --format=esm s.ts --outfile "$1" >build.log 2>&1 || { cat build.log; exit 2; }
}
# check same|other A B
check() {
  local differ got=same; differ=$(cmp -l "$2" "$3" | wc -l)
  [ "$differ" = 0 ] || got=other
  echo "$2, $3: $got ($differ bytes differ)"
  [ "$got" = "$1" ] || wrong=1
}
echo "Bun $("$B" --version)"
for file in one/app two/app one/app.101.new one/app.102.new; do build "$file"; done
check same one/app two/app
check other one/app.101.new one/app.102.new
mv one/app.101.new app
said=$(./app)
echo "after its rename it calls itself $said"
[[ $said == *app.101.new* ]] || wrong=1
exit $wrong
