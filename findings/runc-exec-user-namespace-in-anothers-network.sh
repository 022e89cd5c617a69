#!/bin/bash
# A container may have a user namespace of its own and join a network namespace that exists: the OCI configuration allows it
# ({"type": "user"} beside {"type": "network", "path": ...}), which is how containers of one pod share their network.
# Expected: what a runtime can start it can also enter: exec works in every container that runs.
# Seen: runc 1.1.5 starts it, and every "runc exec" in it fails with 255, "failed to setns into net namespace: Operation not
# permitted": to start it joins the network first and makes the user namespace then; to exec it enters the user namespace first, whose
# root has no right over a network namespace that belongs to the machine. Health checks, hooks and debugging by exec are
# dead in a container that is alive. crun 1.8.1 runs the same configuration, and execs in it.
# Needs root and apt-get (only "download"; nothing is installed). Exit 0: it is as described.
set -u
T=$(mktemp -d); mkdir -p "$T/debs" "$T/c/rootfs/bin" "$T/c/rootfs/proc" "$T/c/rootfs/dev"; N=
chmod 755 "$T"
cat >"$T/run" <<'R'
#!/bin/sh
umount /sys/fs/cgroup/unified 2>/dev/null # crun cannot work beside a hybrid control group file system
exec "$@"
R
chmod 755 "$T/run"
trap 'kill $N 2>/dev/null; wait 2>/dev/null; rm -rf "$T"' EXIT
cd "$T/debs" || exit 2
for p in runc=1.1.5+ds1-1+deb12u1 crun=1.8.1-1+deb12u1 libseccomp2 libyajl2 libcap2 libsystemd0 busybox-static; do
  apt-get -q download "$p" >>"$T/log" 2>&1 || { echo "cannot fetch $p"; exit 2; }
done
for d in *.deb; do dpkg-deb -x "$d" "$T/root"; done
export LD_LIBRARY_PATH=$T/root/usr/lib/x86_64-linux-gnu:$T/root/lib/x86_64-linux-gnu
for name in sleep echo; do cp "$T/root/bin/busybox" "$T/c/rootfs/bin/$name"; done
unshare --net sleep 60 & N=$!
for _ in $(seq 100); do [ "$(readlink /proc/$N/ns/net)" != "$(readlink /proc/self/ns/net)" ] && break; sleep 0.05; done
ids='[{"containerID": 0, "hostID": 100000, "size": 1000}]'
cat >"$T/c/config.json" <<J
{"ociVersion": "1.0.2", "root": {"path": "rootfs"},
 "process": {"user": {"uid": 0, "gid": 0}, "args": ["/bin/sleep", "30"], "cwd": "/"},
 "mounts": [{"destination": "/proc", "type": "proc", "source": "proc"}, {"destination": "/dev", "type": "tmpfs", "source": "tmpfs"}],
 "linux": {"uidMappings": $ids, "gidMappings": $ids,
  "namespaces": [{"type": "pid"}, {"type": "mount"}, {"type": "user"}, {"type": "network", "path": "/proc/$N/ns/net"}]}}
J
# try RUNTIME: $status of an exec in a container that runs
try() {
  (cd "$T/c" && exec unshare -m "$T/run" "$1" --root "$T/state" run "finding-$$" >"$T/out" 2>&1) &
  for _ in $(seq 100); do unshare -m "$T/run" "$1" --root "$T/state" state "finding-$$" 2>/dev/null | grep -q '"running"' && break; sleep 0.1; done
  unshare -m "$T/run" "$1" --root "$T/state" state "finding-$$" 2>/dev/null | grep -q '"running"' || { echo "it does not run"; cat "$T/out"; exit 2; }
  unshare -m "$T/run" "$1" --root "$T/state" exec "finding-$$" /bin/echo "exec works" 2>"$T/err"; status=$?
  echo "$(basename "$1"): it runs; exec ended with $status: $(grep -o 'failed to setns.*permitted' "$T/err")"
  unshare -m "$T/run" "$1" --root "$T/state" delete --force "finding-$$" >/dev/null 2>&1
}
try "$T/root/usr/sbin/runc"; by_runc=$status
try "$T/root/usr/bin/crun"; by_crun=$status
[ "$by_runc" = 255 ] && [ "$by_crun" = 0 ]
