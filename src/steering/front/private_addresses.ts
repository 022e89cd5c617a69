/** Binds listeners to private addresses. Which are free the kernel says: nothing is remembered that could be wrong. */
import { SystemCallError } from "../../platform/error.ts";
import type { Fd } from "../../platform/fd.ts";
import { C } from "../../platform/libc/constants.ts";
import type { InetAddress } from "../../platform/network/address.ts";
import type { Sockets } from "../../platform/network/sockets.ts";
import type { GroupAddress } from "../member.ts";
import { asBound, candidatesFor, type PrivateAddressOptions } from "./private_address.ts";

export class PrivateAddresses {
  constructor(readonly sockets: Sockets, readonly options: PrivateAddressOptions) {}

  /** The group of a listener at `address`, if that is behind the front. */
  behindFront(address: GroupAddress): GroupAddress | null {
    const { ports } = this.options;
    const isBehind = address.protocol === undefined && (ports?.includes(address.port) ?? true);
    return isBehind ? { ...address, front: true } : null;
  }

  /**
   * Binds `socket` to an address that no other socket is bound to, whatever options it has.
   * @throws {SystemCallError} of bind(2), when there is none
   */
  bind(socket: Fd, { family, port }: GroupAddress, epoch: number): InetAddress {
    const { sockets, options } = this;
    const shared = [C.SO_REUSEADDR, C.SO_REUSEPORT].map((name) =>
      [name, sockets.option(socket, C.SOL_SOCKET, name)] as const
    );
    if (family === "inet6") sockets.setOption(socket, C.IPPROTO_IPV6, C.IPV6_V6ONLY, 0);
    // Of two batons, each with a socket that others may share, one address would be of both.
    for (const [name] of shared) sockets.setOption(socket, C.SOL_SOCKET, name, 0);
    try {
      let failure: SystemCallError | null = null;
      for (const candidate of candidatesFor(options, { epoch, port })) {
        const error = failureOf(() => sockets.bindInet(socket, asBound(candidate, family)));
        if (error === null) return sockets.localAddress(socket)!;
        // The server has bound it already.
        if (error.errno === C.EINVAL) throw error;
        failure = error;
      }
      throw failure!;
    } finally {
      for (const [name, value] of shared) sockets.setOption(socket, C.SOL_SOCKET, name, value);
    }
  }

  /** A socket of baton's own for the group at `address`. @throws {SystemCallError} nothing is left open then */
  boundSocket(address: GroupAddress, epoch: number): Fd {
    const socket = this.sockets.stream(address.family);
    try {
      this.bind(socket, address, epoch);
      return socket;
    } catch (error) {
      socket.close();
      throw error;
    }
  }
}

function failureOf(bind: () => void): SystemCallError | null {
  try {
    bind();
    return null;
  } catch (error) {
    if (error instanceof SystemCallError) return error;
    throw error;
  }
}
