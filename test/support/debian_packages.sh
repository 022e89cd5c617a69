#!/bin/bash
# The files of packages of any Debian release and architecture in a folder, from this machine's own mirror.
#
#   debian_packages.sh DIR SUITE ARCH [--with-dependencies] PACKAGE...   makes DIR; does nothing when it is there
#
# `dependency-of:PACKAGE` is the first that PACKAGE depends on: the kernel that `linux-image-cloud-amd64` stands for.
# Installs nothing, and leaves apt's state and caches alone: taken from apt's configuration is only where the
# mirror is, how to fetch from there, and whose signatures count. No script of a package is run.
set -euo pipefail
readonly LIMIT_SECONDS=${LIMIT_SECONDS:-50}

fail() {
  echo "$*" >&2
  exit 1
}

[ $# -ge 4 ] || { sed -n '2,8s/^# \{0,1\}//p' "$0" >&2; exit 64; }
dir=$(realpath -m "$1") suite=$2 architecture=$3
shift 3
[ ! -e "$dir" ] || exit 0
with_dependencies=false
if [ "$1" = --with-dependencies ]; then with_dependencies=true; shift; fi
for command in apt-get apt-cache apt-config dpkg-deb timeout; do
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
echo "deb [arch=$architecture] $mirror $suite main" >"$work/sources.list"
{
  # Only these, because hooks of the machine's configuration tidy up the machine.
  apt-config dump Acquire | grep -Ev '^Acquire::(IndexTargets|Languages|GzipIndexes|Changelogs)'
  cat <<CONF
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
CONF
} >"$work/apt.conf"
export APT_CONFIG=$work/apt.conf
get() { # within what is left of the time
  timeout $((LIMIT_SECONDS > SECONDS ? LIMIT_SECONDS - SECONDS : 1)) apt-get -qq "$@" >"$work/log" 2>&1 ||
    fail "apt-get cannot get $* of $suite: $(grep -E '^[EW]:' "$work/log" | head -n 3)"
}
get update
packages=()
for package in "$@"; do
  case $package in
    dependency-of:*)
      found=$(apt-cache depends --important "${package#*:}" | sed -n 's/^ *|\{0,1\}Depends: //p' | head -n 1)
      [ -n "$found" ] || fail "$suite has no ${package#*:}"
      packages+=("$found")
      ;;
    *) packages+=("$package") ;;
  esac
done
if $with_dependencies; then
  # All that they need, because nothing counts as installed.
  get --yes --no-install-recommends --download-only install "${packages[@]}"
  mv "$work"/cache/archives/*.deb "$work"
else
  (cd "$work" && get download "${packages[@]}")
fi
for package in "$work"/*.deb; do
  # Newer releases have /lib as a link: followed, and not replaced.
  dpkg-deb --fsys-tarfile "$package" | tar --extract --no-same-owner --keep-directory-symlink --directory "$work/tree"
done
mv -T "$work/tree" "$dir"
