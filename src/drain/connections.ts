/**
 * The connections of each generation, from the kernel's socket table and /proc: nothing is asked of
 * the server and nothing is counted in the path of traffic.
 */
import { C } from "../platform/libc/constants.ts";
import type { Platform } from "../platform/platform.ts";
import { socketInodesOf } from "../platform/proc.ts";
import type { TcpSocket } from "../platform/sock_diag.ts";
import { classify } from "./classify.ts";
import type { EarlierLook } from "./classify.ts";

export interface ConnectionCounts {
  readonly total: number;
  /** An answer is owed, or bytes are on their way. */
  readonly busy: number;
  readonly idle: number;
}

export const NO_CONNECTIONS: ConnectionCounts = { total: 0, busy: 0, idle: 0 };

/** What a table needs of the listeners: the ports. */
export interface PortsOfGroups {
  readonly groups: readonly { readonly address: { readonly port: number } }[];
}

/** One look at the socket table, for all ports of the service. */
export class SocketTable {
  readonly sockets: readonly TcpSocket[];

  constructor(platform: Platform, { groups }: PortsOfGroups) {
    const ports = new Set(groups.map((group) => group.address.port));
    this.sockets = [...ports].flatMap((port) => platform.sockDiag.tcpByLocalPort(port));
  }

  /** Connections that the kernel has completed and the process not yet accepted, by listener. */
  backlogOf(inode: number): number {
    const listener = this.sockets.find((s) => s.state === C.TCP_LISTEN && s.inode === inode);
    return listener?.receiveQueue ?? 0;
  }

  /** The same of all listeners together. */
  get backlog(): number {
    return this.sockets
      .filter(({ state }) => state === C.TCP_LISTEN)
      .reduce((sum, { receiveQueue }) => sum + receiveQueue, 0);
  }

  /** Handshakes that are not complete, by remote address: they belong to some listener's queue. */
  halfOpen(): Set<string> {
    return new Set(
      this.sockets
        .filter(({ state }) => state === C.TCP_SYN_RECV || state === C.TCP_NEW_SYN_RECV)
        .map(({ remote }) => `${remote.host} ${remote.port}`),
    );
  }

  /** Connections in any of the queues, by their two ends: closed by the client or not, they stay there. */
  unaccepted(): Set<string> {
    return new Set(
      this.sockets
        .filter(({ state, inode }) =>
          inode === 0 && (state === C.TCP_ESTABLISHED || state === C.TCP_CLOSE_WAIT)
        )
        .map(({ local, remote }) => `${local.host} ${local.port} ${remote.host} ${remote.port}`),
    );
  }

  /** Accepted connections that one of `pids` has open. */
  connectionsOf(pids: readonly number[]): TcpSocket[] {
    const inodes = new Set(pids.flatMap((pid) => [...socketInodesOf(pid)]));
    return this.sockets.filter((socket) =>
      socket.state !== C.TCP_LISTEN && socket.inode !== 0 && inodes.has(socket.inode)
    );
  }
}

/** @returns those of `pids` that owe somebody an answer */
export function busyAmong(
  pids: readonly number[],
  table: SocketTable,
  quietMs: number,
): Set<number> {
  return new Set(
    pids.filter((pid) => countConnections(table.connectionsOf([pid]), quietMs).busy > 0),
  );
}

/** @param earlier first looks by inode; connections that are new to it are added */
export function countConnections(
  connections: readonly TcpSocket[],
  quietMs: number,
  earlier: Map<number, EarlierLook> = new Map(),
): ConnectionCounts {
  let busy = 0;
  let idle = 0;
  for (const connection of connections) {
    const activity = classify(connection, quietMs, earlier.get(connection.inode) ?? null);
    if (activity === "busy") busy++;
    if (activity === "idle") idle++;
    if (connection.traffic && !earlier.has(connection.inode)) {
      earlier.set(connection.inode, connection.traffic);
    }
  }
  return { total: busy + idle, busy, idle };
}
