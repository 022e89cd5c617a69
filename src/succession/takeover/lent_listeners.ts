/**
 * The old baton's listeners while another baton takes over: their description, the members that are made for the new
 * baton, the switch, and the way back.
 *
 * The new members are made here, and not by the new baton, for three reasons: a socket joins a group only in the
 * group's own network namespace and as its own user; the process that calls listen knows the order of the kernel's
 * array; and if the new baton dies, these members are still held here.
 *
 * For the same reason the old baton steers. A program can be attached from any process that holds a listening member,
 * but only one process at a time may do so, and it must know when the other has stopped. The old baton steers up to and
 * including the switch, and replies; from that reply on the new one does.
 */
import type { Fd } from "../../platform/fd.ts";
import { RemoteNetns } from "../../platform/network/remote_netns.ts";
import type { Platform } from "../../platform/platform.ts";
import { ownNamespace } from "../../platform/process/proc.ts";
import { boundSocket } from "../../steering/bound_socket.ts";
import type { Group } from "../../steering/group.ts";
import type { Listeners } from "../../steering/listeners.ts";
import { type Member, recordOf, recordsForAnother } from "../../steering/member.ts";
import { MAX_GROUPS, MAX_MEMBERS_IN_MESSAGE, type Reply } from "./messages.ts";

/** Members that one new baton may ask for: workers with a socket each, at all addresses. */
const MAX_MADE = 1024;
/** Owner of a member that another baton's server accepts from: some process that is not this baton's. */
const FOREIGN_OWNER = 1;

type ReplyWithDescriptors = readonly [reply: Reply, fds: readonly Fd[]];

export class LentListeners {
  readonly groups: readonly Group[];
  readonly #made: Member[] = [];

  /**
   * Freezes the order of the members.
   * @param options.epoch of the new baton's generation
   * @throws {Error} when there are too many listeners, or one that cannot be handed over
   */
  constructor(
    readonly platform: Platform,
    readonly listeners: Listeners,
    readonly options: { readonly epoch: number; readonly backlog: number },
  ) {
    this.groups = listeners.groups;
    if (this.groups.length > MAX_GROUPS) {
      throw new Error(`Cannot hand over ${this.groups.length} listeners: at most ${MAX_GROUPS}`);
    }
    const shared = this.groups.find(({ isShared }) => isShared);
    if (shared !== undefined) {
      const why = shared.path === null
        ? "its one socket is the service manager's, and no other can join it (ReusePort=yes in the " +
          "socket unit would let it)"
        : "all generations have one socket there, from which two batons' servers would accept";
      throw new Error(`Cannot hand over ${shared.text}: ${why}`);
    }
    for (const group of this.groups) group.hold = "order";
  }

  /** The network namespace of the members, as /proc/self/ns/net names it. */
  get networkName(): string {
    return this.#network?.name ?? ownNamespace("net");
  }

  /** The network namespace of the TCP listeners, which all have the same. */
  get #network(): RemoteNetns | null {
    return this.groups.find(({ network }) => network !== null)?.network ?? null;
  }

  /** What a baton in network namespace `name` needs to make sockets in that of the members; nothing in the same one. */
  networkFor(name: string): Disposable & { readonly descriptors: readonly Fd[] } {
    if (name === this.networkName) return { descriptors: [], [Symbol.dispose]: () => {} };
    const { sockets, sockDiag } = this.platform;
    const known = this.#network;
    const network = known ?? RemoteNetns.own(sockets, sockDiag);
    // The new baton gets duplicates.
    const dispose = () => known === null && network.close();
    return { descriptors: network.descriptors, [Symbol.dispose]: dispose };
  }

  /** @throws {RangeError} when there is no such group */
  group(index: number, from: number): ReplyWithDescriptors {
    const group = this.#at(index);
    const exported = recordsForAnother(group);
    const page = exported.slice(from, from + MAX_MEMBERS_IN_MESSAGE);
    const end = from + page.length;
    const reply: Reply = {
      kind: "group",
      index,
      address: group.address,
      members: page.map(({ record }) => record),
      next: page.length > 0 && end < exported.length ? end : null,
    };
    // Its path may be another one where the new baton is.
    const directory = from === 0 && group.path !== null ? [group.path.directory.fd] : [];
    return [reply, [...directory, ...page.map(({ fd }) => fd)]];
  }

  /** A new member, which gets no connection before the switch. @throws {Error} when it cannot be made */
  member(index: number): ReplyWithDescriptors {
    const group = this.#at(index);
    if (this.#made.length >= MAX_MADE) {
      throw new RangeError(`Cannot make more than ${MAX_MADE} sockets for one new baton`);
    }
    const options = { ...this.options, owner: 0, late: false };
    const member = group.takeMember(boundSocket(group, this.options.epoch), options);
    this.#made.push(member);
    const reply: Reply = { kind: "member", index, member: recordOf(member, false) };
    return [reply, [member.heldUntilRetired]];
  }

  #at(index: number): Group {
    const group = this.groups[index];
    if (group === undefined) {
      throw new RangeError(`Cannot find listener ${index}: there are ${this.groups.length}`);
    }
    return group;
  }

  /**
   * THE SWITCH: new connections go to the new members with these inodes. From here on this baton steers nothing.
   * @throws {RangeError} when one of them is not a new member, or no member at some address is chosen
   */
  switchTo(inodes: readonly number[]): void {
    this.listeners.findShutDown();
    const chosen = inodes.map((inode) => this.#madeWith(inode));
    const membersIn = (group: Group) => chosen.filter((member) => group.members.includes(member));
    const forgotten = this.groups.find((group) => isInUse(group) && membersIn(group).length === 0);
    if (forgotten !== undefined) {
      throw new RangeError(`Cannot switch: no member was chosen at ${forgotten.text}`);
    }
    for (const member of chosen) member.owner = FOREIGN_OWNER;
    for (const group of this.groups) group.steerTo(membersIn(group));
    for (const group of this.groups) group.hold = "order and program";
  }

  #madeWith(inode: number): Member {
    const members = this.groups.flatMap((group) => group.members);
    const made = this.#made.find((member) => member.inode === inode && members.includes(member));
    if (made === undefined) throw new RangeError(`Cannot switch to socket ${inode}: not made here`);
    return made;
  }

  /** The new baton is gone: `epoch` serves as before, and the members that were made for the new one are closed. */
  takeBack(epoch: number): void {
    for (const group of this.groups) {
      group.hold = "order";
      group.steerTo(group.usableMembers(epoch));
    }
    this.giveUp();
  }

  /** The takeover ended before the switch. */
  giveUp(): void {
    for (const group of this.groups) group.thaw();
    this.listeners.retire(this.options.epoch);
  }
}

/** Whether a member gets connections there that was opened when its generation started. */
function isInUse(group: Group): boolean {
  return group.members.some((member) => group.isReceiving(member) && !member.late && !member.dead);
}
