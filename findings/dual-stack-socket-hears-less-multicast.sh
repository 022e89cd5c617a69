#!/bin/bash
# ip(7), IP_MULTICAST_ALL: "This option can be used to modify the delivery policy of multicast messages. The argument is a boolean
# integer (defaults to 1). If set to 1, the socket will receive messages from all the groups that have been joined globally on the whole
# system."
# Expected: a new socket has 1, of whatever family, and a dual-stack UDP socket (AF_INET6, IPV6_V6ONLY off) at [::]:PORT gets the IPv4
# multicast that an AF_INET socket at 0.0.0.0:PORT gets.
# Seen (Linux 6.18): a new AF_INET6 socket has IP_MULTICAST_ALL 0 (and IPV6_MULTICAST_ALL 1): inet_create() sets it, inet6_create() does
# not, while both set IP_MULTICAST_LOOP. So of a group that another process has joined, the AF_INET socket gets the datagrams and the
# dual-stack one none, until somebody sets the option by hand, at level IPPROTO_IP. Changing a server from 0.0.0.0 to [::] silently
# loses multicast, and who stores a number in such bits (sock_diag shows them) must know two initial values. TCP sockets have the same.
# Needs python3 only. Exit 0: it is as described.
set -u
exec python3 - <<'P'
import platform, socket, sys
MULTICAST_LOOP, MULTICAST_ALL, V6_MULTICAST_ALL, V6ONLY, REUSEPORT, GROUP = 34, 49, 29, 26, 15, "239.77.1.2"


def udp(family, host, port):
    made = socket.socket(family, socket.SOCK_DGRAM)
    made.setsockopt(socket.SOL_SOCKET, REUSEPORT, 1)
    if family == socket.AF_INET6:
        made.setsockopt(socket.IPPROTO_IPV6, V6ONLY, 0)
    made.bind((host, port))
    made.settimeout(0.5)
    return made


def hears(receiver):
    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton("127.0.0.1"))
    sender.sendto(b"x", (GROUP, port))
    try:
        return receiver.recv(9) == b"x"
    except TimeoutError:
        return False


joined = udp(socket.AF_INET, "0.0.0.0", 0)
port = joined.getsockname()[1]
joined.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton(GROUP) + socket.inet_aton("127.0.0.1"))
four, dual = udp(socket.AF_INET, "0.0.0.0", port), udp(socket.AF_INET6, "::", port)
print("Linux", platform.release())
new = {}
for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
    for family in (socket.AF_INET, socket.AF_INET6):
        with socket.socket(family, kind) as fresh:
            new[kind, family] = [fresh.getsockopt(0, option) for option in (MULTICAST_LOOP, MULTICAST_ALL)]
        print(f"new {kind.name} {family.name}: IP_MULTICAST_LOOP, _ALL =", new[kind, family])
print("new AF_INET6: IPV6_MULTICAST_ALL =", dual.getsockopt(socket.IPPROTO_IPV6, V6_MULTICAST_ALL))
heard = [hears(four), hears(dual)]
print("hears a group that another socket has joined: 0.0.0.0", heard[0], "[::]", heard[1])
dual.setsockopt(socket.IPPROTO_IP, MULTICAST_ALL, 1)
heard.append(hears(dual))
print("[::] with IP_MULTICAST_ALL set by hand:", heard[2])
four_says, six_says = [1, 1], [1, 0]
as_seen = all(value == (six_says if family == socket.AF_INET6 else four_says) for (_, family), value in new.items())
sys.exit(0 if as_seen and heard == [True, False, True] else 1)
P
