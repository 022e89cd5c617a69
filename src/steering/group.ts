/**
 * One SO_REUSEPORT group: the listening sockets (members) of all generations at one address, and the
 * program that says which of them get new connections (socket(7), net/core/sock_reuseport.c).
 *
 * - a new member gets nothing until it is made receiving: the program is attached before it listens;
 * - a member stays open, held here by a duplicate, whatever its process does, until `retire` says
 *   that nobody needs it; so a connection that the kernel has queued is never thrown away;
 * - a member leaves the kernel's array only at a moment when that moves no receiving one.
 */
import type { RemoteNetns } from "../platform/network/remote_netns.ts";
import type { Fd } from "../platform/fd.ts";
import { C } from "../platform/libc/constants.ts";
import type { Reactor, Watch } from "../platform/reactor.ts";
import type { Sockets } from "../platform/network/sockets.ts";
import { CandidateTraffic } from "./candidate_traffic.ts";
import { programFor } from "./member_choice.ts";
import { GroupView } from "./group_view.ts";
import {
  appended,
  EMPTY_ARRAY,
  indicesOf,
  type KernelArray,
  type MemberId,
  planCompaction,
  removed,
} from "./kernel_array.ts";
import {
  type GroupAddress,
  type Hold,
  type Member,
  type MemberRecord,
  type NewMember,
  NO_GENERATION,
  type SocketOrigin,
} from "./member.ts";

export class Group extends GroupView {
  static #nextId: MemberId = 1;
  #model: KernelArray = EMPTY_ARRAY;
  readonly #members = new Map<MemberId, Member>();
  readonly #receiving = new Set<MemberId>();
  #steered = false;
  readonly #candidates = new CandidateTraffic();
  /** Another baton has the members too: what must not be changed here meanwhile. */
  hold: Hold = "nothing";
  /** Where its sockets are made; null: in this process's own network namespace. */
  network: RemoteNetns | null = null;
  /** Members that another baton holds too: it would need them, where they are, if we failed. */
  readonly #shared = new Set<MemberId>();

  /**
   * @param reactor tells at once when a server shuts a member down; null = only `findShutDown` does
   * @param beforeChange called before the kernel's array changes; a new member is then in the model
   * @param serving the generation that was switched to last
   */
  constructor(
    override readonly address: GroupAddress,
    readonly sockets: Sockets,
    readonly reactor: Reactor | null = null,
    readonly beforeChange: () => void = () => {},
    readonly serving: () => number | null = () => null,
  ) {
    super();
  }

  get isFrozen(): boolean {
    return this.hold !== "nothing";
  }

  /** The other baton did not take over: this one steers again, wherever that one has steered to. */
  thaw(): void {
    if (!this.isFrozen) return;
    this.hold = "nothing";
    this.#attach(true);
    this.#compact();
  }

  /** Continues with another baton's members, in its order. Takes the descriptors over. */
  importMembers(members: readonly { record: MemberRecord; fd: Fd }[]): void {
    for (const { record, fd } of members) {
      const { receiving, ...rest } = record;
      const member = this.#append({ ...rest, heldUntilRetired: fd }, this.#watch(fd));
      if (receiving) this.#receiving.add(member.id);
      this.#shared.add(member.id);
    }
    this.#steered = true;
  }

  /** The other baton has ended: the members are ours alone, and what is dead can be closed. */
  unshare(): void {
    this.#shared.clear();
    this.#compact();
  }

  /** Members in the kernel's order, retired ones included. */
  override get members(): readonly Member[] {
    return this.#model.members.map((id) => this.#members.get(id)!);
  }

  override isReceiving = (member: Member): boolean => this.#receiving.has(member.id);

  /**
   * Makes `socket` listen as a member, and takes it over. It gets nothing yet, unless its generation
   * gets this address's connections already (a further worker), is the first one here, or serves.
   * @throws {SystemCallError} of listen(2); the group is then as before
   */
  takeMember(socket: Fd, options: NewMember): Member {
    const receives = [...this.receivingEpochs].every((epoch) => epoch === options.epoch);
    // Watched before the listen: nothing can fail between the kernel's array and the model.
    const shutDownWatch = this.#watch(socket);
    const { backlog, ...own } = options;
    const fixed = { heldUntilRetired: socket, origin: null, unheld: false, dead: false };
    const before = this.#model;
    const member = this.#append({ ...fixed, ...own }, shutDownWatch);
    // Before the listen: from then on the kernel may choose the new member.
    try {
      this.beforeChange();
      if (!receives) this.#attach(true);
      this.sockets.listen(socket, backlog);
    } catch (error) {
      this.#members.delete(member.id);
      this.#model = before;
      shutDownWatch?.cancel();
      throw error;
    }
    // The new one stands last and gets nothing: the moment when older holes can be filled.
    this.#compact();
    if (receives) this.#receiving.add(member.id);
    if (receives || this.#candidates.has(options.epoch)) this.#attach(false);
    // Those that it supersedes have opened this listener before it.
    if (!receives && options.epoch === this.serving()) {
      this.#receiveWith(this.usableMembers(options.epoch), true);
      this.#compact();
    }
    return member;
  }

  /** What a generation gets that does not serve yet: a canary's share, connections of our own probes. */
  steerCandidates(change: Partial<Pick<CandidateTraffic, "share" | "probe">>): void {
    Object.assign(this.#candidates, change);
    this.findShutDown();
    this.#attach(true);
    this.#compact();
  }

  /** Adds a socket of whoever started baton, which listens already (handoff/activated_sockets.ts); takes it. */
  addListening(
    socket: Fd,
    options: { epoch: number; inode: number; origin: SocketOrigin },
  ): Member {
    this.#steered = true;
    const state = { owner: 0, late: false, unheld: false, dead: false };
    return this.#append({ ...options, ...state, heldUntilRetired: socket }, this.#watch(socket));
  }

  /** The service ends: what comes from here on waits for the next one, in a socket that stays. */
  standBy(): void {
    const resident = this.unassignedSocket;
    if (resident !== undefined && !this.isFrozen) this.#receiveWith([resident], true);
  }

  /** No generation listens here any more: a spare would let its clients wait for nobody. */
  #unserved(): void {
    if (this.unassignedSocket?.origin === "standby") this.unassignedSocket.dead = true;
    else this.standBy();
  }

  #watch(socket: Fd): Watch | null {
    return this.reactor?.watch(socket, () => this.#onHangup(socket), {}) ?? null;
  }

  #append(fields: Omit<Member, "id" | "shutDownWatch">, shutDownWatch: Watch | null): Member {
    const member: Member = { ...fields, id: Group.#nextId++, shutDownWatch };
    this.#members.set(member.id, member);
    this.#model = appended(this.#model, member.id);
    return member;
  }

  /** THE SWITCH: new connections go to the live members of `epoch`, if it has any here. */
  steerTo(epoch: number): void {
    this.steerToMembers(this.usableMembers(epoch));
  }

  steerToMembers(chosen: readonly Member[]): void {
    this.#candidates.share = null;
    if (chosen.length === 0) return;
    this.#receiveWith(chosen, this.#model.members.length > chosen.length);
    this.#compact();
  }

  #receiveWith(members: readonly Member[], force: boolean): void {
    this.#receiving.clear();
    members.forEach((member) => this.#receiving.add(member.id));
    this.#attach(force);
  }

  /** The server has closed this listener by itself: it is refused from now on, as without baton. */
  discard(member: Member): void {
    if (this.isFrozen) return;
    const changed = this.#receiving.size > 1 && this.#receiving.delete(member.id);
    const isNamed = this.#candidates.has(member.epoch);
    if (isNamed) member.dead = true;
    if (changed || isNamed) this.#attach(true);
    this.#remove(member.id);
    if (this.#receiving.size > 0) this.#attach(true);
  }

  /** That of one that is not listening yet is no news. */
  #onHangup(socket: Fd): void {
    const member = this.members.find(({ heldUntilRetired }) => heldUntilRetired === socket);
    if (member && !this.findShutDown().includes(member)) member.shutDownWatch?.arm({});
  }

  /** Stops choosing a member whose process is gone, if there is another one to choose. */
  markUnheld(member: Member): void {
    member.unheld = true;
    const changed = this.#receiving.size > 1 && this.#receiving.delete(member.id);
    if (changed || this.#candidates.has(member.epoch)) this.#attach(true);
  }

  /** An heir's process has the member open now, and accepts from it. */
  reassign(member: Member, options: { epoch: number; owner: number }): void {
    const worker = this.receivingEpochs.has(options.epoch);
    Object.assign(member, options, { unheld: false });
    // Those that still wait for a process get nothing new once somebody accepts here.
    const stays = (each: Member) => each === member || (this.isReceiving(each) && !each.unheld);
    if (worker) this.#receiveWith(this.members.filter(stays), true);
  }

  /** The members of `epoch` are not needed any more. */
  retire(epoch: number): void {
    if (epoch === NO_GENERATION) return;
    let changed = this.#candidates.forget(epoch);
    for (const member of this.membersOf(epoch)) {
      const remains = member.origin === "grouped" || member.origin === "standby";
      if (remains) Object.assign(member, { epoch: NO_GENERATION, owner: 0 });
      else member.dead = true;
      // Whoever is the last to receive goes on doing so until the group is closed.
      if (this.#receiving.size > 1) changed = this.#receiving.delete(member.id) || changed;
    }
    const successors = this.successors(this.serving());
    if (successors.length > 0) this.#receiveWith(successors, true);
    else if (this.members.every((member) => member.dead || !this.isReceiving(member))) {
      this.#unserved();
    }
    // Steer first, close later.
    if (changed) this.#attach(true);
    this.#compact();
    if (this.members.every((member) => member.dead)) this.close();
  }

  /**
   * Finds members that a server has taken out of the kernel's array by shutdown(2) on its listener,
   * and steers anew, because the array has changed under the program.
   * @returns the members that were lost
   */
  findShutDown(): Member[] {
    const lost = this.members.filter((member) =>
      this.sockets.option(member.heldUntilRetired, C.SOL_SOCKET, C.SO_ACCEPTCONN) === 0
    );
    for (const member of lost) this.#drop(member);
    if (lost.length > 0 && this.#receiving.size > 0) this.#attach(true);
    return lost;
  }

  close(): void {
    for (const member of this.#members.values()) this.#drop(member);
  }

  #drop(member: Member): void {
    this.#model = removed(this.#model, member.id);
    this.#members.delete(member.id);
    this.#receiving.delete(member.id);
    member.shutDownWatch?.cancel();
    // Some helper of the old server may have it open: closing ours would leave it in the array.
    const isOurs = !this.isFrozen && !this.#shared.delete(member.id) && member.origin === null;
    if (isOurs) this.sockets.stopListening(member.heldUntilRetired);
    member.heldUntilRetired.close();
  }

  /** @param force attach a program even where the kernel's own choice has been enough so far */
  #attach(force: boolean): void {
    if (this.hold === "order and program" || this.isShared) return;
    if (this.#receiving.size === 0 || (!force && !this.#steered)) return;
    const indices = (members: readonly Member[]) =>
      indicesOf(this.#model, members.map(({ id }) => id));
    const program = programFor(this.#candidates.choice(this, indices));
    const through = this.members.find(this.isReceiving)!;
    this.sockets.attachReuseportProgram(through.heldUntilRetired, program);
    this.#steered = true;
  }

  #compact(): void {
    if (this.isFrozen || this.#shared.size > 0) return;
    const dead = new Set(this.members.filter((member) => member.dead).map((member) => member.id));
    if (dead.size === 0) return;
    const named = new Set([...this.#receiving, ...this.#candidates.membersIn(this)]);
    const { removals } = planCompaction(this.#model, named, dead);
    for (const id of removals) this.#remove(id);
    // The last dead one among receiving ones may go in any case: wherever the program points then,
    // out of range too, is a receiving one. It must: who waits in its queue would wait for ever.
    const [last, ...others] = this.members.filter((member) => !this.isReceiving(member));
    const isAlone = others.length === 0 && this.#candidates.isEmpty;
    if (last?.dead !== true || !isAlone || this.#receiving.size === 0) return;
    this.#remove(last.id);
    this.#attach(true);
  }

  #remove(id: MemberId): void {
    this.beforeChange();
    this.#drop(this.#members.get(id)!);
  }
}
