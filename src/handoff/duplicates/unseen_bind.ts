/**
 * A bind(2) whose address cannot be read, because the server runs as another user than baton: the kernel carries it out
 * with SO_REUSEPORT set, and what ../right_to_bind.ts would have refused is refused at listen(2).
 *
 * A port that the kernel has chosen (bind to port 0) is of no service. To know it then, the kernel chooses from a range
 * that services do not use (IP_LOCAL_PORT_RANGE, Linux 6.3); before, each port of the kernel's own range is taken for one.
 */
import { SystemCallError } from "../../platform/error.ts";
import type { Fd } from "../../platform/fd.ts";
import { C } from "../../platform/libc/constants.ts";
import type { Sockets } from "../../platform/network/sockets.ts";
import * as proc from "../../platform/process/proc.ts";

/** <linux/in.h>; <netinet/in.h> of older systems does not have it. */
const IP_LOCAL_PORT_RANGE = 51;
/** Ports in the range: enough for all that one server binds in this way. */
const RANGE_SIZE = 1024;
/** The range that the kernel begins with: net.ipv4.ip_local_port_range, ip(7). */
const DEFAULT_RANGE = [32_768, 60_999] as const;

interface UnseenBind {
  /** Whether the server itself has set SO_REUSEPORT. */
  readonly isShared: boolean;
  /** The ports that the kernel chooses from. */
  readonly range: readonly [low: number, high: number];
}

export class UnseenBinds {
  /** Binds that were not seen, by the socket's inode. */
  readonly #binds = new Map<number, UnseenBind>();

  constructor(readonly sockets: Sockets) {}

  /** Called before the kernel binds the socket. */
  add(socket: Fd): void {
    const { sockets } = this;
    const inode = proc.ownSocketInode(socket.number);
    // A socket that is here already is bound once more, because its first bind has failed: what the server has set is
    // known from then.
    if (this.#binds.has(inode)) return;
    const isShared = sockets.option(socket, C.SOL_SOCKET, C.SO_REUSEPORT) !== 0;
    sockets.setOption(socket, C.SOL_SOCKET, C.SO_REUSEPORT, 1);
    const range = this.#confine(socket);
    this.#binds.set(inode, { isShared, range });
    const [oldest] = this.#binds.keys();
    if (this.#binds.size > RANGE_SIZE && oldest !== undefined) this.#binds.delete(oldest);
  }

  #confine(socket: Fd): readonly [number, number] {
    const [low, high] = rangeOf(proc.sysctl("net/ipv4/ip_local_port_range"));
    const narrow = [Math.max(low, high - RANGE_SIZE + 1), high] as const;
    try {
      this.#setRange(socket, narrow[0] + narrow[1] * 0x10000);
      return narrow;
    } catch (error) {
      if (error instanceof SystemCallError) return [low, high];
      throw error;
    }
  }

  #setRange(socket: Fd, value: number): void {
    this.sockets.setOption(socket, C.IPPROTO_IP, IP_LOCAL_PORT_RANGE, value | 0);
  }

  /**
   * Called before the socket listens.
   * @returns null: its bind was seen. `isShared`: the server itself has set SO_REUSEPORT; `isEphemeral`: the kernel has
   * chosen the port
   */
  take(socket: Fd): { isShared: boolean; isEphemeral: boolean } | null {
    const inode = proc.ownSocketInode(socket.number);
    const bind = this.#binds.get(inode);
    if (bind === undefined) return null;
    this.#binds.delete(inode);
    const { isShared, range: [low, high] } = bind;
    try {
      this.#setRange(socket, 0);
    } catch (error) {
      if (!(error instanceof SystemCallError)) throw error;
    }
    const port = this.sockets.localAddress(socket)?.port ?? 0;
    const isEphemeral = port === 0 || port >= low && port <= high;
    if (isEphemeral && !isShared) {
      this.sockets.setOption(socket, C.SOL_SOCKET, C.SO_REUSEPORT, 0);
    }
    return { isShared, isEphemeral };
  }
}

/** @param text "32768\t60999" */
function rangeOf(text: string | null): readonly [number, number] {
  const [low, high] = (text ?? "").split(/\s+/).map(Number);
  return low && high ? [low, high] : DEFAULT_RANGE;
}
