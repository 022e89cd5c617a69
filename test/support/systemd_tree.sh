#!/bin/bash
# Another release's systemd in a folder, for BATON_TEST_SYSTEMD_TREE (see real_systemd.sh): a few seconds, 15 MB.
#
#   systemd_tree.sh DIR [SUITE]   makes DIR/usr from SUITE (trixie) of this machine's own Debian mirror;
#                                 does nothing when it is there
#
# Installs nothing, and leaves apt's state and caches alone: taken from apt's configuration is only where the
# mirror is, how to fetch from there, and whose signatures count. No script of a package is run.
set -euo pipefail
readonly LIMIT_SECONDS=50

fail() {
  echo "$*" >&2
  exit 1
}

[ $# -ge 1 ] || { sed -n '2,8s/^# \{0,1\}//p' "$0" >&2; exit 64; }
dir=$(realpath -m "$1") suite=${2:-trixie}
[ ! -e "$dir/usr" ] || exit 0
[ -L /lib ] || fail "/lib is a folder of its own here: a tree's files cannot be put over it"
for command in apt-get apt-config dpkg dpkg-deb timeout; do
  command -v "$command" >/dev/null || fail "$command is not installed"
done
# shellcheck disable=SC1091
codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
# It knows all formats of sources, and has no prompts.
mirror=$(apt-get --print-uris update | sed -n "s,^'\(.*\)/dists/$codename/InRelease'.*,\1,p" | head -n 1)
[ -n "$codename" ] && [ -n "$mirror" ] || fail "apt-get knows no mirror of ${codename:-a release}"

mkdir -p "$(dirname "$dir")"
work=$(mktemp -d "$dir.XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir -p "$work"/{none,state/lists/partial,cache/archives/partial,tree}
: >"$work/status"
architecture=$(dpkg --print-architecture)
echo "deb [arch=$architecture] $mirror $suite main" >"$work/sources.list"
{
  # Only these, because hooks of the machine's configuration tidy up the machine.
  apt-config dump Acquire | grep -Ev '^Acquire::(IndexTargets|Languages|GzipIndexes|Changelogs)'
  cat <<EOF
Acquire::Languages "none";
Acquire::Retries "1";
APT::Update::Error-Mode "any";
APT::Architecture "$architecture";
APT::Architectures { "$architecture"; };
APT::Sandbox::User "";
Dir::Etc::main "/dev/null";
Dir::Etc::parts "$work/none";
Dir::Etc::sourcelist "$work/sources.list";
Dir::Etc::sourceparts "$work/none";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "$work/none";
Dir::State "$work/state";
Dir::State::status "$work/status";
Dir::Cache "$work/cache";
EOF
} >"$work/apt.conf"
export APT_CONFIG=$work/apt.conf
get() { # within what is left of the time
  timeout $((LIMIT_SECONDS > SECONDS ? LIMIT_SECONDS - SECONDS : 1)) apt-get -qq "$@" >"$work/log" 2>&1 ||
    fail "apt-get cannot get systemd of $suite: $(grep -E '^[EW]:' "$work/log" | head -n 3)"
}
get update
# With all that it needs, because nothing counts as installed.
get --yes --no-install-recommends --download-only install systemd
for package in "$work"/cache/archives/*.deb; do
  dpkg-deb --fsys-tarfile "$package" | tar --extract --no-same-owner --directory "$work/tree"
done
[ -x "$work/tree/usr/lib/systemd/systemd" ] || fail "$suite has its systemd elsewhere"
# /tmp is the machine's: the tests are there.
rm -f "$work/tree/usr/lib/systemd/system/tmp.mount"
mv -T "$work/tree" "$dir"
