#!/bin/bash
# A real systemd as PID 1 of a PID namespace, on the files of this machine: see real_systemd.ts, which calls this.
# With BATON_TEST_SYSTEMD_TREE=DIR (made by systemd_tree.sh) the files below DIR/usr win: another release's systemd.
#
#   real_systemd.sh run STATE     never returns: STATE/units becomes /etc/systemd/system; ends with its systemd
#   real_systemd.sh remove STATE  removes the (empty) control group that "run" has made
#   real_systemd.sh probe         status 0 when "run" can work here
#   real_systemd.sh with WORD...  runs a program, on the same files
#
# Mount, PID, IPC, UTS and cgroup namespaces are its own, /run is empty, the network is the machine's. Nothing
# outside is touched, except for one control group below the root of the cgroup2 tree.
set -eu
self=$(readlink -f "$0")

own_group() { # in a private mount namespace: a cgroup2 subtree, whatever the machine's layout is (v1, hybrid or v2)
  local tree=$1 name=$2
  mkdir -p "$tree"
  mount -t cgroup2 cgroup2 "$tree"
  mkdir "$tree/$name"
  echo $$ > "$tree/$name/cgroup.procs"
  umount "$tree"
}

put_tree_over() { # in a private mount namespace
  local tree=${BATON_TEST_SYSTEMD_TREE:-}
  [ -z "$tree" ] || mount -t overlay -o "lowerdir=$(readlink -f "$tree")/usr:/usr" baton-test-tree /usr
}

case "${1:-}" in
  run) exec unshare --mount --propagation private "$self" group "$2" ;;
  group)
    echo "baton-test-$$" > "$2/group"
    own_group "$2/cgroup" "baton-test-$$"
    exec unshare --pid --fork --kill-child --mount --mount-proc --uts --ipc --cgroup "$self" init "$2"
    ;;
  init)
    mount --make-rprivate /
    put_tree_over
    umount -R /sys/fs/cgroup 2>/dev/null || umount -l /sys/fs/cgroup
    mount -t cgroup2 cgroup2 /sys/fs/cgroup
    mount -t tmpfs -o mode=755 tmpfs /run
    mount --bind "$2/units" /etc/systemd/system
    # Its own boot, so that what it leaves in /tmp and /var/tmp (PrivateTmp) can be told from others'.
    cat /proc/sys/kernel/random/uuid > "$2/boot"
    mount --bind "$2/boot" /proc/sys/kernel/random/boot_id
    hostname baton-test
    # container= makes systemd skip hardware, kernel settings and the console.
    exec env -i container=baton-test SYSTEMD_LOG_TARGET=journal PATH="$PATH" \
      /lib/systemd/systemd --system --unit=baton-test.target --show-status=no
    ;;
  remove)
    exec unshare --mount --propagation private "$self" remove_group "$2"
    ;;
  remove_group)
    mount -t cgroup2 cgroup2 "$2/cgroup"
    group="$2/cgroup/$(cat "$2/group")"
    for _ in $(seq 100); do
      find "$group" -depth -type d -exec rmdir {} + 2>/dev/null || true
      [ -e "$group" ] || exit 0
      sleep 0.02
    done
    echo "processes are left in $group: $(find "$group" -name cgroup.procs -exec cat {} +)" >&2
    exit 1
    ;;
  with)
    exec unshare --mount --propagation private "$self" with_tree "${@:2}"
    ;;
  with_tree)
    put_tree_over
    exec "${@:2}"
    ;;
  probe)
    state=$(mktemp -d)
    trap 'rm -rf "$state"' EXIT
    "$self" with mount -t cgroup2 cgroup2 "$state"
    unshare --pid --fork --kill-child --mount --mount-proc --uts --ipc --cgroup true
    ;;
  *) sed -n '2,13s/^# \{0,1\}//p' "$self" >&2; exit 64 ;;
esac
