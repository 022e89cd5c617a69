#!/bin/bash
# SO_REUSEPORT is checked at bind(2): socket(7) says that it must be set "on each socket (including the first socket) prior to calling
# bind(2)". A supervisor or a server may want to change its mind while it listens: share the port during a deploy, be alone after it.
# Expected: after listen(2) the option has no effect, set or cleared; or, if the kernel looks at the present value of both sockets,
# setting it lets a second socket in and clearing it keeps the second one out.
# Seen (Linux 6.18): one way only. Set on a socket that was bound without it and listens: a second socket with the option binds and
# listens beside it, and gets about half of the new connections. Cleared (getsockopt says 0): a second one binds and listens all the
# same, and then takes *all* new connections; the first one listens on, sees no error and gets none. The kernel keeps the sharing with
# the port, not with the socket. So a port that was shared once is not exclusive again until its last socket is closed: EADDRINUSE
# as a lock ("am I the only one?") is lost, and getsockopt of the holder does not show it. A second socket without the option is
# refused, as always.
# Needs python3. Exit 0: it is as described.
exec python3 - <<'P'
import errno, platform, socket, sys

def bound(reuse, port=0):
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, reuse)
    s.bind(("127.0.0.1", port))
    s.listen(200)
    s.setblocking(False)
    return s

def second(first, reuse):
    """What a second socket at the port of the first one gets: an error, or connections."""
    port = first.getsockname()[1]
    try:
        other = bound(reuse, port)
    except OSError as error:
        return errno.errorcode[error.errno]
    clients = [socket.create_connection(("127.0.0.1", port)) for _ in range(64)]
    got = 0
    try:
        while True:
            other.accept()[0].close()
            got += 1
    except BlockingIOError:
        pass
    for s in [*clients, other]:
        s.close()
    return "all" if got == 64 else "shares" if got > 0 else "none"

def option(s):
    return s.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT)

never = bound(0)
before = second(never, 1)
never.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
after_set = second(never, 1)
never.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 0)
after_both = second(never, 1)
always = bound(1)
always.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 0)
after_clear = second(always, 1)
plain = second(always, 0)
print("Linux", platform.release())
print(f"  bound without it:            a second one with it: {before}")
print(f"  set after listen:            {after_set}")
print(f"  set and cleared (now {option(never)}):     {after_both}")
print(f"  bound with it, cleared ({option(always)}): {after_clear}; a second one without it: {plain}")
seen = [before, after_set, after_both, after_clear, plain]
sys.exit(seen != ["EADDRINUSE", "shares", "all", "all", "EADDRINUSE"])
P
