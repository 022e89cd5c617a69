#!/bin/bash
# OCI runtime specification, mounts: "options: mount options of the filesystem to be used", tmpfs(5): "mode=mode: Set initial
# permissions of the root directory." Expected: a tmpfs with mode=1777 has mode 1777 in every container.
# Seen: crun 1.8.1 does that. runc 1.1.5 does it only where the image has no directory of that name; where it has one, the tmpfs gets
# that directory's mode and the option is not looked at. So an image with /run of mode 0755 and a read-only root gives a process that
# is not root no place to write: mkdir is EACCES on a tmpfs that its configuration opened for everyone, with runc and not with crun.
# Needs root and apt-get (only "download"; nothing is installed). Exit 0: it is as described.
set -u
T=$(mktemp -d); mkdir -p "$T/debs" "$T/c/rootfs/bin" "$T/c/rootfs/there" "$T/c/rootfs/proc" "$T/c/rootfs/dev"
trap 'rm -rf "$T"' EXIT
cd "$T/debs" || exit 2
for p in runc=1.1.5+ds1-1+deb12u1 crun=1.8.1-1+deb12u1 libseccomp2 libyajl2 libcap2 libsystemd0 busybox-static; do
  apt-get -q download "$p" >>"$T/log" 2>&1 || { echo "cannot fetch $p"; exit 2; }
done
for d in *.deb; do dpkg-deb -x "$d" "$T/root"; done
export LD_LIBRARY_PATH=$T/root/usr/lib/x86_64-linux-gnu:$T/root/lib/x86_64-linux-gnu
cp "$T/root/bin/busybox" "$T/c/rootfs/bin/stat"; chmod 755 "$T/c/rootfs/there"
cat >"$T/c/config.json" <<'J'
{"ociVersion": "1.0.2", "root": {"path": "rootfs"},
 "process": {"user": {"uid": 0, "gid": 0}, "args": ["/bin/stat", "-c", "%n %a", "/there", "/not-there"], "cwd": "/"},
 "mounts": [{"destination": "/proc", "type": "proc", "source": "proc"},
  {"destination": "/dev", "type": "tmpfs", "source": "tmpfs"},
  {"destination": "/there", "type": "tmpfs", "source": "tmpfs", "options": ["mode=1777"]},
  {"destination": "/not-there", "type": "tmpfs", "source": "tmpfs", "options": ["mode=1777"]}],
 "linux": {"namespaces": [{"type": "pid"}, {"type": "mount"}, {"type": "network"}]}}
J
# crun cannot work beside a hybrid control group file system: hidden in a mount namespace of its own.
look() { (cd "$T/c" && rm -rf rootfs/not-there && unshare -m sh -c 'umount /sys/fs/cgroup/unified 2>/dev/null; exec "$@"' sh "$@" | xargs); }
by_runc=$(look "$T/root/usr/sbin/runc" --root "$T/state" run "finding-$$")
by_crun=$(look "$T/root/usr/bin/crun" --root "$T/state" run "finding-$$")
echo "runc 1.1.5: $by_runc"; echo "crun 1.8.1: $by_crun"
[ "$by_runc" = "/there 755 /not-there 1777" ] && [ "$by_crun" = "/there 1777 /not-there 1777" ]
