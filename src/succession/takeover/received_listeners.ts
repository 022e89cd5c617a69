/**
 * What the new baton has received from the old one: its members and its name. Nothing here is ours
 * before the switch: closing it harms nobody, because the old baton has it too.
 */
import { statSync } from "node:fs";
import { RemoteNetns } from "../../platform/network/remote_netns.ts";
import type { Fd } from "../../platform/fd.ts";
import type { Platform } from "../../platform/platform.ts";
import { ownNamespace } from "../../platform/process/proc.ts";
import type { Group } from "../../steering/group.ts";
import type { Listeners } from "../../steering/listeners.ts";
import {
  type GroupAddress,
  type Member,
  type MemberRecord,
  usableOf,
} from "../../steering/member.ts";
import { MalformedMessage } from "../state/fields.ts";

interface ReceivedGroup {
  readonly address: GroupAddress;
  readonly members: { record: MemberRecord; fd: Fd }[];
}

export class ReceivedListeners {
  /** In the order in which the old baton has them. */
  readonly groups: ReceivedGroup[] = [];
  #lock: Fd | null = null;
  #far: RemoteNetns | null = null;
  #listeners: Listeners | null = null;
  #received: Fd[] = [];

  constructor(readonly platform: Platform) {}

  /** What has come with the message that is read next. */
  receive(fds: readonly Fd[]): void {
    this.#received = [...fds];
  }

  /** What the message did not say a word of. */
  closeRest(): void {
    this.#received.forEach((fd) => fd.close());
    this.#received = [];
  }

  /** The lock on the old baton's name, and what is needed to make sockets in its network. */
  keepOffer(network: string): void {
    this.#lock = this.#received.shift() ?? null;
    if (network === ownNamespace("net")) return;
    this.#far = RemoteNetns.taken(this.platform.sockets, network, this.#received.splice(0));
  }

  /**
   * The descriptors come in the order of the members.
   * @param address null: that of the group, which is known
   * @throws {MalformedMessage} when one is missing
   */
  keepMembers(
    index: number,
    address: GroupAddress | null,
    records: readonly MemberRecord[],
  ): void {
    if (address !== null) this.groups[index] ??= { address, members: [] };
    const group = this.groups[index];
    for (const record of records) {
      const fd = this.#received.shift();
      if (group === undefined || fd === undefined) {
        throw new MalformedMessage(`member ${record.inode} came without a descriptor`);
      }
      if (this.#listeners === null) group.members.push({ record, fd });
      else this.#listeners.obtain(group.address).importMembers([{ record, fd }]);
    }
  }

  /** @returns the lock, if it is on the file at `path`: the name is then shared with the old baton */
  takeLock(path: string): Fd | null {
    const lock = this.#lock;
    if (lock === null) return null;
    const theirs = statSync(`/proc/self/fd/${lock.number}`);
    const ours = statSync(path, { throwIfNoEntry: false });
    if (ours?.ino !== theirs.ino || ours.dev !== theirs.dev) return null;
    this.#lock = null;
    return lock;
  }

  closeLock(): void {
    this.#lock?.close();
    this.#lock = null;
  }

  /** Puts all members into the table; the old baton steers, and adds to their groups. */
  importInto(listeners: Listeners): void {
    this.#listeners = listeners;
    this.platform.sockDiag.remote = this.#far?.diag ?? null;
    for (const { address, members } of this.groups) {
      const group = listeners.obtain(address);
      group.importMembers(members);
      group.network = this.#far;
      group.hold = "order and program";
    }
  }

  indexOf(group: Group): number {
    return this.groups.findIndex(({ address }) => this.#listeners?.find(address) === group);
  }

  get #held(): Group[] {
    return this.#listeners?.groups.filter((group) => group.isFrozen) ?? [];
  }

  /** Those that the old baton is to steer to when our generation `epoch` serves. */
  usedBy(epoch: number): Member[] {
    return this.#held.flatMap((group) => usableOf(group.membersOf(epoch)));
  }

  /** The old baton has steered to `epoch`, and does not steer any more. */
  takeSteering(epoch: number): void {
    // First what is to get the connections, then the right to say so.
    this.#listeners?.switchTo(epoch);
    this.thaw();
  }

  /** No other baton steers. */
  thaw(): void {
    this.#held.forEach((group) => group.thaw());
  }

  /** Nothing came of it. What is in the table already goes with the table. */
  close(): void {
    this.closeLock();
    if (this.#listeners !== null) return;
    this.groups.flatMap(({ members }) => members).forEach(({ fd }) => fd.close());
    this.#far?.close();
  }
}
