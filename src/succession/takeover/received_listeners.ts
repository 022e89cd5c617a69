/**
 * What the new baton has received from the old one: its members, and the lock on its name. Before the switch all of it
 * can be closed without harm, because the old baton has it, too.
 */
import { statSync } from "node:fs";
import type { Fd } from "../../platform/fd.ts";
import { Directory } from "../../platform/files/directory.ts";
import { RemoteNetns } from "../../platform/network/remote_netns.ts";
import type { Platform } from "../../platform/platform.ts";
import { ownNamespace } from "../../platform/process/proc.ts";
import type { Group } from "../../steering/group.ts";
import type { Listeners } from "../../steering/listeners.ts";
import {
  type ListenAddress,
  type Member,
  type MemberRecord,
  usableOf,
} from "../../steering/member.ts";
import { MalformedMessage } from "../state/fields.ts";
import { NamedDescriptors } from "../state/resumption.ts";

interface ReceivedGroup {
  readonly address: ListenAddress;
  /** The directory of a path. */
  readonly directory: Fd | null;
  readonly members: { record: MemberRecord; fd: Fd }[];
}

export class ReceivedListeners {
  /** The groups, in the order in which the old baton has them. */
  readonly groups: ReceivedGroup[] = [];
  readonly passedOn = new NamedDescriptors();
  #lock: Fd | null = null;
  #far: RemoteNetns | null = null;
  #listeners: Listeners | null = null;
  #received: Fd[] = [];

  constructor(readonly platform: Platform) {}

  /** @param fds of the message that is handled next: what is kept of it is removed here */
  receive(fds: Fd[]): void {
    this.#received = fds;
  }

  /**
   * The lock on the old baton's name, the descriptors that make sockets in its network namespace, and those that it passes
   * on by name.
   */
  keepOffer(network: string, passedOn: readonly string[]): void {
    const passed = passedOn.length === 0 ? [] : this.#received.splice(-passedOn.length);
    passed.forEach((fd, i) => this.passedOn.set(passedOn[i]!, fd));
    this.#lock = this.#received.shift() ?? null;
    if (network === ownNamespace("net")) return;
    this.#far = RemoteNetns.taken(this.platform.sockets, network, this.#received.splice(0));
  }

  /**
   * The descriptors come in the order of the members.
   * @param address null: the group is known already
   * @throws {MalformedMessage} when one is missing
   */
  keepMembers(
    index: number,
    address: ListenAddress | null,
    records: readonly MemberRecord[],
  ): void {
    if (address !== null) this.groups[index] ??= this.#newGroup(address);
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

  #newGroup(address: ListenAddress): ReceivedGroup {
    const directory = address.family === "unix" ? this.#received.shift() ?? null : null;
    return { address, directory, members: [] };
  }

  /** @returns the lock, if it locks the file at `path`: both batons then share the name */
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

  /** Puts all members into the table. The old baton steers, and adds further members to their groups. */
  importInto(listeners: Listeners): void {
    this.#listeners = listeners;
    this.platform.sockDiag.remote = this.#far?.diag ?? null;
    for (const { address, directory, members } of this.groups) {
      const group = listeners.obtain(address);
      group.importMembers(members);
      if (group.path === null) group.network = this.#far;
      else if (directory !== null) {
        group.path.keepDirectory(new Directory(this.platform.libc, directory));
      }
      group.hold = "order and program";
    }
  }

  indexOf(group: Group): number {
    return this.groups.findIndex(({ address }) => this.#listeners?.find(address) === group);
  }

  get #held(): Group[] {
    return this.#listeners?.groups.filter((group) => group.isFrozen) ?? [];
  }

  /** Members that the old baton must steer to when generation `epoch` of this one serves. */
  usedBy(epoch: number): Member[] {
    return this.#held.flatMap((group) => usableOf(group.membersOf(epoch)));
  }

  /** The old baton has steered to `epoch`, and steers nothing from here on. */
  takeSteering(epoch: number): void {
    // The choice of members first, then the right to attach it.
    this.#listeners?.switchTo(epoch);
    this.thaw();
  }

  /** This baton steers from here on. */
  thaw(): void {
    this.#held.forEach((group) => group.thaw());
  }

  /** The takeover has failed. The table closes the members that it has already. */
  close(): void {
    this.closeLock();
    this.passedOn.close();
    if (this.#listeners !== null) return;
    this.groups.flatMap(({ members }) => members).forEach(({ fd }) => fd.close());
    for (const { directory } of this.groups) directory?.close();
    this.#far?.close();
  }
}
