#!/bin/bash
# inotify(7): "IN_DELETE_SELF  Watched file/directory was itself deleted."
# Expected: rm -rf of a watched directory is reported at once, as IN_DELETE_SELF and IN_IGNORED.
# Seen (Linux 6.18): no event for the directory as long as any process has a file open that was deleted with it: a lock
# file, a log, a socket that is bound there. The directory is gone for all processes; the event comes when the last such
# file is closed, which may be weeks later. So a daemon that watches its own runtime directory for its
# removal, and has a lock or a socket in it, never hears of it: its own files keep the event back. Of the file itself
# IN_ATTRIB (its link count) comes at once: watch that. Needs python3; exits with 1 if the behaviour has changed.
exec python3 - <<'P'
import ctypes, os, platform, select, shutil, socket, struct, sys, tempfile

libc = ctypes.CDLL(None, use_errno=True)
ATTRIB, DELETE_SELF, IGNORED = 0x4, 0x400, 0x8000
NAMES = {ATTRIB: "ATTRIB", DELETE_SELF: "DELETE_SELF", IGNORED: "IGNORED"}


def told(fd):
    """What has been queued: inotify queues in the system call that causes it."""
    found = []
    while select.select([fd], [], [], 0)[0]:
        data, at = os.read(fd, 65536), 0
        while at < len(data):
            _, mask, _, length = struct.unpack_from("iIII", data, at)
            found += [name for bit, name in NAMES.items() if mask & bit]
            at += 16 + length
    return found


def case(what, hold):
    directory = tempfile.mkdtemp()
    held = hold(directory)
    fd = libc.inotify_init1(0)
    libc.inotify_add_watch(fd, directory.encode(), DELETE_SELF)
    shutil.rmtree(directory)
    at_once = told(fd)
    assert not os.path.exists(directory)
    if held is not None:
        held.close()
    later = told(fd)
    print(f"{what}: at once {at_once}, after the close {later}")
    return at_once, later


def bound(directory):
    sock = socket.socket(socket.AF_UNIX)
    sock.bind(directory + "/s")
    return sock


print("Linux", platform.release())
empty = case("nothing is open", lambda d: None)
lock = case("a file of it is open", lambda d: open(d + "/lock", "w"))
sock = case("a socket is bound in it", bound)
full = ["DELETE_SELF", "IGNORED"]
sys.exit(0 if empty == (full, []) and lock == ([], full) and sock == ([], full) else 1)
P
