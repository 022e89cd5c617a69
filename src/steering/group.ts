/**
 * One SO_REUSEPORT group: the listening sockets (members) of all generations at one address, and which of them get
 * new connections (socket(7), net/core/sock_reuseport.c). A new member gets nothing until it is made receiving.
 */
import type { Fd } from "../platform/fd.ts";
import type { RemoteNetns } from "../platform/network/remote_netns.ts";
import { hasPeer } from "../platform/network/udp_socket.ts";
import { ownSocketInode } from "../platform/process/proc.ts";
import type { CandidateTraffic } from "./candidate_traffic.ts";
import { FrontMembers } from "./front/front_members.ts";
import { addressText, isDatagram, isFronted } from "./group_address.ts";
import { KernelMembers, type MemberSet } from "./kernel_members.ts";
import {
  type GroupAddress,
  type GroupContext,
  HELD,
  type Hold,
  type ListenAddress,
  type ListeningSocket,
  type Member,
  type MemberRecord,
  type NewMember,
  NO_GENERATION,
  recordOf,
  successorsAmong,
  usableOf,
  withMember,
} from "./member.ts";
import { membershipOf } from "./membership.ts";
import { Mutex } from "./mutex.ts";
import { NO_TAGGING, type Tagging } from "./tagging.ts";
import { PathMembers } from "./unix/path_members.ts";
import { WorkerMembers } from "./worker_members.ts";

export class Group {
  /** Connections of our own are steered one at a time. */
  readonly probes = new Mutex();
  /** The network namespace in which its sockets are made; null: this process's own. */
  network: RemoteNetns | null = null;
  /** What must not be changed here, while another baton has the members, too. */
  hold: Hold = "nothing";
  /** Its members at a path; null: TCP or UDP. */
  readonly path: PathMembers | null;
  /** Its members behind a proxy (--front); null: it is not behind one. */
  readonly front: FrontMembers | null;
  readonly workers: WorkerMembers;
  readonly #set: MemberSet;
  readonly #tagging: Pick<Tagging, "begin" | "recover" | "change" | "pass">;

  constructor(readonly address: ListenAddress, readonly context: GroupContext) {
    const hold = () => this.hold;
    this.path = address.family === "unix" ? new PathMembers(address, context, hold) : null;
    this.front = isFronted(address) ? new FrontMembers(context, hold) : null;
    this.#set = this.path ?? this.front ??
      new KernelMembers(context, membershipOf(context, address), hold);
    this.workers = new WorkerMembers(this, this.#set);
    this.#tagging = this.tcp === null ? NO_TAGGING : context.tagging;
  }

  get text(): string {
    return addressText(this.address);
  }

  /** Its address, if that is one of TCP; null: UDP, or a Unix socket. */
  get tcp(): GroupAddress | null {
    const { address } = this;
    return address.family === "unix" || address.protocol === "udp" ? null : address;
  }

  get members(): readonly Member[] {
    return this.#set.all;
  }

  readonly isReceiving = (member: Member): boolean => this.#set.isReceiving(member);
  readonly gets = (each: Member): boolean => this.#set.candidates.gets(each, this.isReceiving);

  /** @param worker number of the worker; missing: all workers */
  membersOf(epoch: number, worker?: number): Member[] {
    return this.members.filter((each) =>
      each.epoch === epoch && !each.dead && (worker ?? each.worker) === each.worker
    );
  }

  get #receiving(): Member[] {
    return this.members.filter(this.isReceiving);
  }

  get receivingEpochs(): Set<number> {
    return new Set(this.#receiving.map(({ epoch }) => epoch));
  }

  /** The members that get the connections when `epoch` serves. */
  usableMembers(epoch: number, worker?: number): readonly Member[] {
    return usableOf(this.membersOf(epoch, worker));
  }

  /** A socket that outlives this baton, while no generation has it. */
  get unassignedSocket(): Member | undefined {
    return this.members.find(({ origin, epoch }) => origin !== null && epoch === NO_GENERATION);
  }

  /** Whether all generations have the same socket: each gets what it is quicker to accept. */
  get isShared(): boolean {
    return this.members.some(({ origin }) => origin === "shared");
  }

  /** The members as they travel to another baton. */
  get records(): { record: MemberRecord; fd: Fd }[] {
    return this.members.map((member) => ({
      record: recordOf(member, this.isReceiving(member)),
      fd: member.heldUntilRetired,
    }));
  }

  get isFrozen(): boolean {
    return this.hold !== "nothing";
  }

  /** The other baton did not take over: this one steers again, in place of what the other has attached. */
  thaw(): void {
    if (!this.isFrozen) return;
    this.hold = "nothing";
    this.#set.attach(true);
    this.#set.compact();
  }

  /** Continues with another baton's members, in its order. Takes the descriptors over. */
  importMembers(members: readonly { record: MemberRecord; fd: Fd }[]): void {
    for (const { record: { receiving, origin = null, ...rest }, fd } of members) {
      const tag = this.#tagging.recover(fd, rest.epoch);
      const state = { worker: 0, tag, origin, heldUntilRetired: fd };
      this.#set.appendShared({ ...state, ...rest }, receiving);
    }
  }

  unshare(): void {
    this.#set.unshare();
  }

  /**
   * Makes `socket` listen (UDP: binds it) as a member, and takes it over. It gets nothing yet, unless its generation
   * gets this address's connections already (a further worker), is the first one here, or serves.
   * @throws {SystemCallError} of listen(2) or bind(2); the group is then as before, and `socket` closed
   */
  takeMember(socket: Fd, options: NewMember): Member {
    const { backlog, heldFor, origin = null, worker = 0, aside = false, ...rest } = options;
    const { waits = aside && this.receivingEpochs.size > 0, ...own } = { ...rest, worker, aside };
    const receives = !waits && [...this.receivingEpochs].every((epoch) => epoch === own.epoch);
    const inode = ownSocketInode(socket.number);
    const tag = this.#tagging.begin(socket, heldFor ?? own.epoch);
    const state = { inode, tag, unheld: false, dead: false, heldUntilRetired: socket };
    const member = this.#set.join({ ...own, ...state, origin }, backlog, receives);
    if (receives || this.#set.candidates.has(own.epoch)) this.#set.attach(false);
    // The generations that it supersedes have opened this listener before it.
    const isNewest = own.epoch === this.context.servingEpoch && !this.isHeld;
    if (!receives && !waits && isNewest) {
      this.#set.steerTo(this.usableMembers(own.epoch), true);
      this.#set.compact();
    }
    return member;
  }

  /** Adds a socket that listens already, and outlives this baton (handoff/activated_sockets.ts); takes it. */
  addListening(socket: Fd, options: ListeningSocket): Member {
    const inode = ownSocketInode(socket.number);
    // An earlier baton may have left its tag in it.
    const tag = this.#tagging.change(socket, NO_GENERATION);
    const state = { inode, tag, owner: 0, late: false, unheld: false, dead: false };
    return this.#set.append({ worker: 0, ...options, ...state, heldUntilRetired: socket });
  }

  /** What a generation gets that does not serve yet: a canary's share, connections of our own probes. */
  steerCandidates(change: Partial<Pick<CandidateTraffic, "share" | "probe">>): void {
    Object.assign(this.#set.candidates, change);
    this.findShutDown();
    this.#set.attach(true);
    this.#set.compact();
  }

  /** THE SWITCH: new connections go to these members, if there are any. */
  steerTo(chosen: readonly Member[]): void {
    this.#set.candidates.share = null;
    if (chosen.length === 0) return;
    this.#set.steerTo(chosen, this.members.length > chosen.length);
    this.#set.compact();
  }

  get isHeld(): boolean {
    return this.members.some(({ epoch, dead }) => epoch === HELD && !dead);
  }

  /** Members whose connections wait for a replacement of `epoch`: first those that get the new ones. */
  waitingFor(epoch: number): Member[] {
    const left = this.membersOf(epoch);
    return [...left.filter(this.isReceiving), ...left.filter((each) => !this.isReceiving(each))];
  }

  /** `epoch` has exited: the queue is its listener now, and what it has nothing in goes. */
  vacate(epoch: number, backlogOf: (inode: number) => number): void {
    const queues = this.membersOf(HELD);
    if (queues.length === 0) return;
    for (const member of this.membersOf(epoch)) {
      if (member.origin === null && backlogOf(member.inode) === 0) member.dead = true;
    }
    for (const member of queues) Object.assign(member, { epoch, unheld: true });
    this.#set.compact();
  }

  /** New connections go to `epoch` again, if it still has a listener; those in the queue are lost. */
  steerBack(epoch: number): void {
    if (!this.isHeld || this.isFrozen) return;
    const members = this.usableMembers(epoch);
    if (members.length > 0) this.steerTo(members);
    this.retire(HELD);
  }

  /** The service ends: connections from now on wait for the next baton, in a socket that outlives this one. */
  standBy(): void {
    const socket = this.unassignedSocket;
    if (socket !== undefined && !this.isFrozen) this.#set.steerTo([socket], true);
  }

  /** The server has closed this listener by itself: it refuses from now on, as without baton. */
  discard(member: Member): void {
    if (this.isFrozen) return;
    const hasChanged = this.#set.stopReceiving(member);
    const isNamed = this.#set.candidates.has(member.epoch);
    if (isNamed) member.dead = true;
    if (hasChanged || isNamed) this.#set.attach(true);
    this.#set.remove(member);
  }

  /** Stops choosing a member whose process is gone, if there is another one to choose. */
  markUnheld(member: Member): void {
    member.unheld = true;
    const hasChanged = this.#set.stopReceiving(member);
    if (hasChanged || this.#set.candidates.has(member.epoch)) this.#set.attach(true);
  }

  reassign(member: Member, options: Pick<Member, "epoch" | "owner" | "worker" | "aside">): void {
    const isWorker = this.receivingEpochs.has(options.epoch);
    Object.assign(member, { aside: false }, options, { unheld: false });
    this.#tagging.pass(member);
    if (isWorker) this.#set.steerTo(withMember(member, this.#receiving), true);
  }

  retire(epoch: number): void {
    if (epoch === NO_GENERATION) return;
    this.context.tagging.generations.end(epoch);
    this.path?.forgetBound(epoch);
    let hasChanged = this.#set.candidates.forget(epoch);
    for (const member of this.membersOf(epoch)) {
      const remains = member.origin === "grouped" || member.origin === "standby";
      if (remains) Object.assign(member, { epoch: NO_GENERATION, owner: 0 });
      else member.dead = true;
      hasChanged = this.#set.stopReceiving(member) || hasChanged;
    }
    const successors = successorsAmong(this.members, this.isReceiving, this.context.servingEpoch);
    if (successors.length > 0) this.#set.steerTo(successors, true);
    else if (this.members.every((member) => member.dead || !this.isReceiving(member))) {
      this.#onUnserved();
    }
    if (hasChanged) this.#set.attach(true);
    this.#set.compact();
    if (this.members.every((member) => member.dead)) this.close();
  }

  /** No generation listens here any more: in a standby socket clients would wait in vain. */
  #onUnserved(): void {
    const socket = this.unassignedSocket;
    if (socket?.origin === "standby") socket.dead = true;
    else this.standBy();
  }

  /** Finds members that a server has shut down, or has connected (UDP). @returns the members that were lost */
  findShutDown(): Member[] {
    const lost = this.#set.findShutDown();
    if (lost.length > 0 && isDatagram(this) && this.receivingEpochs.size === 0) this.admitLate();
    return lost;
  }

  /** UDP sockets that the serving generation has bound late, and not connected since, get datagrams, too. */
  admitLate(): void {
    const { servingEpoch, sockets } = this.context;
    const isServing = [...this.receivingEpochs].every((epoch) => epoch === servingEpoch);
    if (servingEpoch === null || this.isFrozen || this.isHeld || !isServing) return;
    const usable = this.usableMembers(servingEpoch)
      .filter(({ heldUntilRetired }) => !hasPeer(sockets, heldUntilRetired));
    if (!usable.every(this.isReceiving)) this.#set.steerTo(usable, true);
  }

  close(): void {
    this.#set.close();
  }

  /** Closes our duplicates only: the sockets keep listening. */
  release(): void {
    this.#set.release();
  }
}
