/**
 * Which of the UDP sockets at one address a program of the kernel may choose, so that the old generation gets nothing
 * new. Pure.
 *
 * The kernel appends a socket to the array of its reuseport group at bind(2), and on a close moves the last one into the
 * hole. So those of the newest generation are at the end, in any order, as long as none that was there before them has
 * been closed since; else their places are not known.
 */
import type { UdpSocket } from "../../platform/network/udp_table.ts";

export interface DatagramPlan {
  readonly local: string;
  /** A socket of the new generation, to attach the program with. */
  readonly through: number;
  /** Places of the new generation's sockets. */
  readonly chosen: readonly number[];
  /** Sockets of the old generation, whose queues must become empty. */
  readonly leaving: readonly number[];
}

interface DatagramSockets {
  /** All UDP sockets when the new generation was started. */
  readonly before: readonly Pick<UdpSocket, "local" | "inode">[];
  /** All UDP sockets now. */
  readonly now: readonly UdpSocket[];
  /** Inodes of the sockets that either generation has open. */
  readonly old: ReadonlySet<number>;
  readonly next: ReadonlySet<number>;
}

/** @returns one plan for each address that both generations have, and where the places are known */
export function planDatagrams({ before, now, old, next }: DatagramSockets): DatagramPlan[] {
  const addresses = new Set(now.filter(({ inode }) => old.has(inode)).map(({ local }) => local));
  return [...addresses].flatMap((local) => {
    const all = now.filter((socket) => socket.local === local).map(({ inode }) => inode);
    const then = before.filter((socket) => socket.local === local).map(({ inode }) => inode);
    const earlier = all.filter((inode) => then.includes(inode));
    const later = all.filter((inode) => !then.includes(inode));
    const [through] = later;
    const noneHasGone = then.length === earlier.length;
    if (through === undefined || !noneHasGone || !later.every((inode) => next.has(inode))) {
      return [];
    }
    const chosen = later.map((_, index) => earlier.length + index);
    return [{ local, through, chosen, leaving: earlier.filter((inode) => old.has(inode)) }];
  });
}
