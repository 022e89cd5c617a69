/** What can be asked of a group of members (`group.ts`). Changes nothing. */
import { formatAddress } from "../platform/network/address.ts";
import type { Fd } from "../platform/fd.ts";
import { Mutex } from "./mutex.ts";
import {
  type GroupAddress,
  type Member,
  type MemberRecord,
  NO_GENERATION,
  recordOf,
  usableOf,
} from "./member.ts";

export abstract class GroupView {
  /** Connections of our own are steered one at a time. */
  readonly probes = new Mutex();
  abstract readonly address: GroupAddress;
  /** Members in the kernel's order, retired ones included. */
  abstract get members(): readonly Member[];
  abstract isReceiving(member: Member): boolean;

  get text(): string {
    return formatAddress(this.address);
  }

  /** Members in the kernel's order, as they travel to another baton. */
  get records(): { record: MemberRecord; fd: Fd }[] {
    return this.members.map((member) => ({
      record: recordOf(member, this.isReceiving(member)),
      fd: member.heldUntilRetired,
    }));
  }

  /** The same for a baton that takes over: it makes spares of its own, and ours can go when we have gone. */
  get recordsForAnother(): { record: MemberRecord; fd: Fd }[] {
    return this.records.map(({ record, fd }) => {
      if (record.origin !== "standby" || record.epoch !== NO_GENERATION) return { record, fd };
      return { record: { ...record, origin: null, dead: true }, fd };
    });
  }

  membersOf(epoch: number): Member[] {
    return this.members.filter((member) => member.epoch === epoch && !member.dead);
  }

  /** Epochs that get new connections; normally one. */
  get receivingEpochs(): Set<number> {
    return new Set(this.members.filter(this.isReceiving).map((m) => m.epoch));
  }

  /** Those that get the connections when `epoch` serves. */
  usableMembers(epoch: number): readonly Member[] {
    return usableOf(this.membersOf(epoch));
  }

  /**
   * Who gets the connections when none of those that got them is alive: the serving generation, or the newest.
   * @param serving null: the service ends, and what drains gets nothing new
   */
  successors(serving: number | null): readonly Member[] {
    const alive = this.members.filter(({ dead, epoch }) => !dead && epoch !== NO_GENERATION);
    if (serving === null || this.members.some((m) => !m.dead && this.isReceiving(m))) return [];
    const ofServing = this.usableMembers(serving);
    if (ofServing.length > 0 || alive.length === 0) return ofServing;
    return this.usableMembers(Math.max(...alive.map(({ epoch }) => epoch)));
  }

  /** The socket of whoever started baton, while no generation has it. */
  get unassignedSocket(): Member | undefined {
    return this.members.find(({ origin, epoch }) => origin !== null && epoch === NO_GENERATION);
  }

  /** All generations have the same socket, and each gets what it is quicker to accept. */
  get isShared(): boolean {
    return this.members.some(({ origin }) => origin === "shared");
  }
}
