/**
 * The connections of a generation that is being drained: by their tags at each look, and compared with what its processes
 * have open (/proc) when a decision rests on it: at the first look, before it counts as drained, and for reports. To look
 * into processes costs more than all else, so it is left out where the decision would be the same.
 */
import { type Differences, differences, NO_DIFFERENCES } from "./attribution.ts";
import { type ConnectionOwner, type SocketTable, takeCensus } from "./connections.ts";
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

  /** Connections that end with its processes, as of the latest check. */
  endingOf(table: SocketTable): readonly TcpSocket[] {
    return this.of(table).filter(({ inode }) => !this.#differences.outside.has(inode));
  }

  /**
   * Whether the generation may have gained connections: only one of another generation's listener can have been passed
   * to it.
   */
  mayGain(table: SocketTable): boolean {
    return table.isTagged(this.owner) &&
      table.accepted.length > table.connectionsOf(this.owner).length;
  }

  /**
   * Whether a check could change anything: besides gained connections, only one that is waited for matters, which may
   * be another generation's by now, if there is one.
   */
  mayDiffer(table: SocketTable, quietMs: number): boolean {
    return this.mayGain(table) || (this.others().length > 0 &&
      takeCensus(table.connectionsOf(this.owner), quietMs).counts.busy > 0);
  }

  /** Compares with what the processes have open. @returns whether `of` has another result than before */
  check(table: SocketTable): boolean {
    const before = this.#differences;
    this.#differences = this.#compare(table);
    const { gained, given } = this.#differences;
    return gained.symmetricDifference(before.gained).size +
        given.symmetricDifference(before.given).size > 0;
  }

  #compare(table: SocketTable): Differences {
    // A generation without a tag is looked up in /proc at each look anyway.
    if (!table.isTagged(this.owner)) return NO_DIFFERENCES;
    const pids = this.owner.processes();
    const open = { inodes: inodesOf(table.openBy(pids)), isAll: table.seesInto(pids) };
    const tagged = inodesOf(table.connectionsOf(this.owner));
    return differences(tagged, open, () => inodesOf(table.openBy(this.others())));
  }
}

function inodesOf(sockets: readonly TcpSocket[]): Set<number> {
  return new Set(sockets.map(({ inode }) => inode));
}
