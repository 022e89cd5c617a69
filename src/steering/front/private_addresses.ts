/** Binds listeners to private addresses. The kernel says which are free: nothing is remembered that could be wrong. */
import { SystemCallError } from "../../platform/error.ts";
import type { Fd } from "../../platform/fd.ts";
import { C } from "../../platform/libc/constants.ts";
import { ownSocketInode } from "../../platform/process/proc.ts";
import type { Sockets } from "../../platform/network/sockets.ts";
import { isFronted } from "../group_address.ts";
import type { GroupAddress, ListenAddress } from "../member.ts";
import { asBound, candidatesFor, frontOf, type FrontPlace } from "./private_address.ts";

/** Sockets that are remembered until they listen. A client that binds so before it connects never does. */
const MOST_BOUND = 1024;

export class PrivateAddresses {
  /** Public addresses of bound sockets, by inode. */
  readonly #bound = new Map<number, GroupAddress>();

  /** The port that the service has bound first: it is that of a front which names none. */
  #first: number | null = null;

  constructor(
    readonly sockets: Sockets,
    /** What tells the service from others. */
    readonly service: string,
    readonly fronts: readonly FrontPlace[],
    /** The groups of the service; an earlier baton's members may be in them. */
    readonly groups: () => readonly { readonly address: ListenAddress }[],
  ) {}

  /** The group of a listener at `address`, if that is behind a front. */
  behindFront(address: GroupAddress): GroupAddress | null {
    const { port, protocol } = address;
    if (protocol !== undefined) return null;
    this.#first ??= this.#knownFirst();
    const front = frontOf(this.fronts, port, this.#first);
    if (front?.port === null) this.#first = port;
    return front === null ? null : { ...address, front: true };
  }

  #knownFirst(): number | null {
    const named = this.fronts.map(({ port }) => port);
    const ports = this.groups().flatMap(({ address }) => isFronted(address) ? [address.port] : []);
    return ports.find((each) => !named.includes(each)) ?? null;
  }

  /**
   * Binds `socket` to an address that no other socket is bound to, whatever options it has.
   * @throws {SystemCallError} of bind(2), when there is none
   */
  bind(socket: Fd, { family, port }: GroupAddress, epoch: number): void {
    const { sockets, service, fronts } = this;
    const address = frontOf(fronts, port, this.#first)?.address ?? null;
    const shared = [C.SO_REUSEADDR, C.SO_REUSEPORT].map((name) =>
      [name, sockets.option(socket, C.SOL_SOCKET, name)] as const
    );
    if (family === "inet6") sockets.setOption(socket, C.IPPROTO_IPV6, C.IPV6_V6ONLY, 0);
    // Sharing is switched off for the bind: else two batons could bind one address, each with a socket that others may
    // share.
    for (const [name] of shared) sockets.setOption(socket, C.SOL_SOCKET, name, 0);
    try {
      let failure: SystemCallError | null = null;
      if (family === "inet" && address?.includes(":")) {
        throw new SystemCallError("bind", C.EADDRNOTAVAIL, `an IPv4 socket to ${address}`);
      }
      for (const candidate of candidatesFor({ service, epoch, port, address })) {
        const error = failureOf(() => sockets.bindInet(socket, asBound(candidate, family)));
        if (error === null) return;
        // EINVAL: the server has bound it already.
        if (error.errno === C.EINVAL) throw error;
        failure = error;
      }
      throw failure!;
    } finally {
      for (const [name, value] of shared) sockets.setOption(socket, C.SOL_SOCKET, name, value);
    }
  }

  /** The server's bind(2) at `address` is answered with success: `take` knows of it. @throws {SystemCallError} as `bind` */
  bindFor(socket: Fd, address: GroupAddress, epoch: number): void {
    this.bind(socket, address, epoch);
    this.#bound.set(ownSocketInode(socket.number), address);
    const [oldest] = this.#bound.keys();
    if (this.#bound.size > MOST_BOUND && oldest !== undefined) this.#bound.delete(oldest);
  }

  /** The socket listens from now on. @returns its public address; null: it was not bound here */
  take(inode: number): GroupAddress | null {
    const address = this.#bound.get(inode) ?? null;
    this.#bound.delete(inode);
    return address;
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
