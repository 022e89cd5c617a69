/**
 * TCP sockets in another network namespace, made without entering it: setns(2) would need
 * CAP_SYS_ADMIN there, this needs nothing.
 *
 * An accepted connection belongs to the namespace of its listener, and connect(2) with AF_UNSPEC makes it as good as
 * new. So a process that holds a listener and one more socket of a namespace, its seeds, can make any number of
 * sockets there: connect the one to the other, accept, and disconnect both [tried: Linux 6.18]. Needs the loopback
 * interface up in that namespace.
 */
import type { InetAddress } from "./address.ts";
import { SystemCallError } from "../error.ts";
import { Fd } from "../fd.ts";
import { C } from "../libc/constants.ts";
import { ownNamespace } from "../process/proc.ts";
import type { SockDiag } from "./sock_diag.ts";
import type { Sockets } from "./sockets.ts";

/** Accepted connections that are looked at: another process in that namespace may connect to the seed's port first. */
const MAX_ACCEPTS = 16;
const BACKLOG = 8;
const LOOPBACK = { inet: "127.0.0.1", inet6: "::1" } as const;

type Family = InetAddress["family"];

interface Seed {
  readonly family: Family;
  readonly listener: Fd;
  readonly socket: Fd;
}

export class RemoteNetns {
  /** @param name of the namespace, as /proc/self/ns/net has it. Owns what it is given. */
  private constructor(
    readonly sockets: Sockets,
    readonly name: string,
    readonly diag: Fd,
    readonly seeds: readonly Seed[],
  ) {}

  /** Seeds of this process's own namespace, for another process. */
  static own(sockets: Sockets, sockDiag: SockDiag): RemoteNetns {
    const seeds: Seed[] = [];
    for (const family of ["inet", "inet6"] as const) {
      const listener = sockets.stream(family, { nonblocking: true });
      try {
        sockets.bindInet(listener, { family, host: LOOPBACK[family], port: 0, scope: 0 });
        sockets.listen(listener, BACKLOG);
        seeds.push({ family, listener, socket: sockets.stream(family) });
      } catch (error) {
        listener.close();
        // No IPv6 there, or no loopback interface: `stream` fails later, if it is called.
        if (!(error instanceof SystemCallError)) throw error;
      }
    }
    return new RemoteNetns(sockets, ownNamespace("net"), sockDiag.open(), seeds);
  }

  /** Makes one of what was received. @param fds as `descriptors` gives them; taken over */
  static taken(sockets: Sockets, name: string, fds: readonly Fd[]): RemoteNetns | null {
    const [diag, ...rest] = fds;
    if (diag === undefined) return null;
    const seeds: Seed[] = [];
    for (let i = 0; i + 1 < rest.length; i += 2) {
      const listener = rest[i]!;
      const address = sockets.localAddress(listener);
      if (address !== null) seeds.push({ family: address.family, listener, socket: rest[i + 1]! });
    }
    return new RemoteNetns(sockets, name, diag, seeds);
  }

  /** What another process needs to make sockets in this namespace. */
  get descriptors(): readonly Fd[] {
    return [this.diag, ...this.seeds.flatMap(({ listener, socket }) => [listener, socket])];
  }

  /** A TCP socket there, bound to nothing. @throws {SystemCallError} when it cannot be made */
  stream(family: Family): Fd {
    const { sockets } = this;
    const seed = this.seeds.find((each) => each.family === family);
    const subject = `a socket in the old baton's network namespace (${family})`;
    if (seed === undefined) throw new SystemCallError("make", C.EADDRNOTAVAIL, subject);
    const address = sockets.localAddress(seed.listener);
    if (address === null) throw new SystemCallError("make", C.EINVAL, subject);
    sockets.connectInet(seed.socket, address);
    try {
      const port = sockets.localAddress(seed.socket)?.port;
      for (let i = 0; i < MAX_ACCEPTS; i++) {
        const accepted = sockets.accept(seed.listener, { nonblocking: false });
        if (accepted === null) break;
        if (sockets.peerAddress(accepted)?.port === port) {
          sockets.disconnect(accepted);
          return accepted;
        }
        accepted.close();
      }
    } finally {
      sockets.disconnect(seed.socket);
    }
    throw new SystemCallError("make", C.EAGAIN, subject);
  }

  close(): void {
    this.descriptors.forEach((fd) => fd.close());
  }
}
