#!/bin/bash
# POSIX, posix_spawn(): signals that are set to be ignored in the calling process are ignored in the child; all others have their
# default, with or without POSIX_SPAWN_SETSIGDEF.
# Expected: a child of posix_spawn(3) without that flag ignores what its parent ignores, as one of fork(2) and execve(2) does.
# Seen: glibc 2.36: it ignores the signals 32 and 33 as well, which the C library keeps for itself (SIGCANCEL, SIGSETXID), and hands
# that on to all that it starts. GNU Make 4.3 starts its recipes so: whatever a Makefile runs on Debian 12 has SigIgn 180000000,
# though neither the shell nor make ignores them. A caller cannot take it back by sigaddset(3), which refuses the two numbers: only a
# set whose bits are put in by hand, with POSIX_SPAWN_SETSIGDEF.
# Who compares what a supervisor's child inherits with what it was itself given sees two signals too many.
# Needs apt-get and a Debian with glibc. Exit 0: it is as described.
set -u
T=$(mktemp -d); trap 'rm -rf "$T"' EXIT
chmod 755 "$T"; cd "$T" || exit 2
apt-get download -q make=4.3-4.1 >log 2>&1 && dpkg -x make_*.deb make || { cat log; exit 2; }
printf 'all:\n\t@grep SigIgn /proc/self/status\n' >Makefile
# ignored COMMAND...: what the processes of it ignore, of 32 and 33
ignored() { printf '%x' $((16#$("$@" | sed -n 's/^SigIgn:\t*//p') & 16#180000000)); }
GLIBC=$(getconf GNU_LIBC_VERSION)
SHELL_CHILD=$(ignored sh -c 'grep SigIgn /proc/self/status')
MAKE_CHILD=$(ignored make/usr/bin/make -s)
echo "$GLIBC: 32 and 33 of SigIgn: child of a shell: $SHELL_CHILD, child of $(make/usr/bin/make -v | head -1): $MAKE_CHILD"
[ "$SHELL_CHILD" = 0 ] && [ "$MAKE_CHILD" = 180000000 ]
