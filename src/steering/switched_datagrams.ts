/** UDP sockets from which new datagrams are led away: what is in their queues is left to read and answer. */
import { isDatagram } from "./group_address.ts";
import type { Listeners } from "./listeners.ts";

/** @returns inodes of those of `epoch` */
export function switchedDatagrams(listeners: Listeners, epoch: number): number[] {
  return listeners.groupsOf(epoch)
    .filter((group) => isDatagram(group) && !group.receivingEpochs.has(epoch))
    .flatMap((group) => group.membersOf(epoch))
    .filter(({ unheld }) => !unheld)
    .map(({ inode }) => inode);
}
