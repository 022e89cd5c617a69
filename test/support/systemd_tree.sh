#!/bin/bash
# Another release's systemd in a folder, for BATON_TEST_SYSTEMD_TREE (see real_systemd.sh): a few seconds, 15 MB.
#
#   systemd_tree.sh DIR [SUITE]   makes DIR/usr from SUITE (trixie) of this machine's own Debian mirror;
#                                 does nothing when it is there
#
# Installs nothing: debian_packages.sh.
set -euo pipefail

fail() {
  echo "$*" >&2
  exit 1
}

[ $# -ge 1 ] || { sed -n '2,7s/^# \{0,1\}//p' "$0" >&2; exit 64; }
dir=$(realpath -m "$1") suite=${2:-trixie}
[ ! -e "$dir/usr" ] || exit 0
[ -L /lib ] || fail "/lib is a folder of its own here: a tree's files cannot be put over it"
mkdir -p "$(dirname "$dir")"
work=$(mktemp -d "$dir.XXXXXX")
trap 'rm -rf "$work"' EXIT
"$(dirname "$(realpath "$0")")/debian_packages.sh" \
  "$work/tree" "$suite" "$(dpkg --print-architecture)" --with-dependencies systemd
[ -x "$work/tree/usr/lib/systemd/systemd" ] || fail "$suite has its systemd elsewhere"
# /tmp is the machine's: the tests are there.
rm -f "$work/tree/usr/lib/systemd/system/tmp.mount"
mv -T "$work/tree" "$dir"
