/**
 * The connections of a generation that is being drained: by their tags at each look, and compared with what its processes
 * have open (/proc) when a decision rests on it: at the first look, before it counts as drained, and for reports.
 */
import { differences, NO_DIFFERENCES } from "./attribution.ts";
import type { ConnectionOwner, SocketTable } from "./connections.ts";
import type { TcpSocket } from "../platform/network/sock_diag.ts";

export class CheckedConnections {
  #differences = NO_DIFFERENCES;

  /** @param others processes of a generation that connections may have been passed to */
  constructor(readonly owner: ConnectionOwner, readonly others: () => readonly number[]) {}

  of(table: SocketTable): readonly TcpSocket[] {
    const { gained, given } = this.#differences;
    const own = table.connectionsOf(this.owner);
    if (gained.size + given.size === 0) return own;
    const inodes = new Set(own.map(({ inode }) => inode));
    return [
      ...own.filter(({ inode }) => !given.has(inode)),
      ...table.accepted.filter(({ inode }) => gained.has(inode) && !inodes.has(inode)),
    ];
  }

  /** @returns whether anything is different from what it was before */
  check(table: SocketTable): boolean {
    const before = this.#differences;
    const openBy = (pids: readonly number[]) => inodesOf(table.openBy(pids));
    // Without a tag that is what `of` does at each look.
    this.#differences = table.isTagged(this.owner)
      ? differences(
        inodesOf(table.connectionsOf(this.owner)),
        openBy(this.owner.processes()),
        () => openBy(this.others()),
      )
      : NO_DIFFERENCES;
    const { gained, given } = this.#differences;
    return gained.symmetricDifference(before.gained).size +
        given.symmetricDifference(before.given).size > 0;
  }
}

function inodesOf(sockets: readonly TcpSocket[]): Set<number> {
  return new Set(sockets.map(({ inode }) => inode));
}
