#!/bin/bash
# node:fs access() and accessSync() of Deno 2.9.6 do not follow symbolic links: they look at the mode of the link itself, which is
# always rwxrwxrwx. Expected, as access(2), Node and Bun have it: the file that the link leads to is asked about, so X_OK of
# a link to a file of mode 0644 is EACCES. Seen: it is granted. A launcher that looks for a program in PATH with it takes what it
# cannot execute (most of /usr/bin/ is links: alternatives, Nix, Homebrew, node_modules/.bin).
# Needs npx (deno@2.9.6 from npm) and node; nothing of baton is used. Exit 0: it is as described.
set -u
T=$(mktemp -d); trap 'rm -rf "$T"' EXIT
cd "$T" || exit 1
echo data >plain; chmod 0644 plain; ln -s plain link
cat >look.mjs <<'J'
import { accessSync, constants } from "node:fs";
const look = (path) => {
  try {
    accessSync(path, constants.X_OK);
    return "granted";
  } catch (error) {
    return error.code;
  }
};
console.log(`plain ${look("plain")}, link ${look("link")}`);
J
deno() { DENO_NO_UPDATE_CHECK=1 npx --yes --loglevel=error --update-notifier=false deno@2.9.6 "$@"; }
deno --version | head -1
on_node=$(node look.mjs) || exit 1
on_deno=$(deno run -A look.mjs) || exit 1
echo "node $(node --version): $on_node"
echo "deno: $on_deno"
[ "$on_node" = "plain EACCES, link EACCES" ] && [ "$on_deno" = "plain EACCES, link granted" ]
