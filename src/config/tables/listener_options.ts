/** The options of listeners, handoff and takeover (docs/handoff.md, docs/unix.md, docs/takeover.md). */
import { choice, flag, int, list, text, time } from "../option_makers.ts";
import { parseFrontSpec } from "../values/front_spec.ts";
import { parseListenSpec } from "../values/listen_spec.ts";
import { parsePrivateNames } from "../values/private_names.ts";

// deno-fmt-ignore: one option per entry, so that it reads as a table
export const LISTENERS = {
  listen: list("[NAME=]ADDR:PORT", "Bind this address in baton and pass the socket to the " +
    "server, from descriptor 3 on (LISTEN_FDS, SERVER_STARTER_PORT, EINHORN_FDS, {fd:NAME}, " +
    "{port:NAME}). unix:/PATH[,mode=0660][,user=NAME][,group=NAME] is a Unix socket, and " +
    "{path:NAME} its path. May be given several times. Not needed for servers that bind their own " +
    "sockets.",
    (texts) => texts.map(parseListenSpec)),
  /** The default is the kernel's own of net.core.somaxconn, which caps it anyway. */
  backlog: int(4096, [1, 65_535],
    "Length of the accept queue of the listeners that baton binds."),
  handoff: choice(["auto", "adopt", "inherit"], "auto", "How a new generation gets its " +
    "sockets: adopt lets the server bind its own sockets beside the old one's, inherit passes " +
    "the sockets of --listen, auto does both."),
  duplicates: choice(["auto", "getfd", "socket-trap", "at-bind"], "auto", "How baton gets a duplicate of " +
    "a listener that the server has made: getfd takes it from the server (pidfd_getfd), " +
    "socket-trap makes the sockets for the server, for containers without that call and for " +
    "servers that become another user, at-bind replaces a listener when it is bound, for proxies " +
    "where that call is missing; auto tries the first two (docs/handoff.md)."),
  udp: choice(["leave", "switch"], "leave", "What becomes of the UDP sockets that a server " +
    "binds: leave does nothing, and a second copy can bind them only where the server sets " +
    "SO_REUSEPORT itself; switch leads new datagrams to the new generation when it serves. Not " +
    "for QUIC, whose connections would break."),
  unix: choice(["switch", "leave"], "switch", "What becomes of the Unix sockets that a server " +
    "binds at a path: switch hands them over, and so calls that name a path ask baton first " +
    "(docs/unix.md); leave does nothing, for servers that name thousands of files a second."),
  unixShared: flag("Abstract Unix sockets (@name) have no node that could be switched: let all " +
    "generations have one socket, from which a new one accepts before it is ready. Without it a " +
    "reload of a server that binds such a name fails."),
  front: list("eds:FILE[,SETTING...]", "An Envoy stands before the service and reads its endpoints " +
    "from this file: each generation has a private address, and the file names the one that serves. " +
    "Settings: cluster=NAME, port=PORT (which one of the service), " +
    "admin=unix:/PATH or IP:PORT (may be given several times), acks=all or N, timeout=TIME, " +
    "address=IP. May be given several times, once for each address (docs/envoy.md).",
    (texts) => texts.map(parseFrontSpec)),
  privateSocket: list("@NAME", "An abstract Unix socket that the server binds to find out whether " +
    "it is alone: each generation gets one of its own. '*' stands for any characters. May be given " +
    "several times. Envoy's @envoy_domain_socket_* need not be given.", parsePrivateNames),
};

// deno-fmt-ignore: one option per entry, so that it reads as a table
export const TAKEOVER = {
  takeover: text("PATH", "Take over the listeners of another baton through its " +
    "--handoff-socket, and stop it when it has drained. If no baton answers, start normally."),
  handoffSocket: text("PATH", "Let another baton take over through a Unix socket at this path, " +
    "which may be in a directory that two containers share."),
  /** The default is Envoy's, and longer than any drain time. */
  parentShutdownTimeMs: time(900_000,
    "After a takeover the old baton is stopped after this time, if it is still draining."),
};
