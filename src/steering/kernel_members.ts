/**
 * The members of one SO_REUSEPORT group in the kernel: their order in its array, and the program that chooses among
 * them. Only this file changes either.
 *
 * - a member stays open, held here by a duplicate, until it is dead: no queued connection is thrown away;
 * - a member leaves the kernel's array only at a moment when that moves no receiving one.
 */
import { SystemCallError } from "../platform/error.ts";
import type { Fd } from "../platform/fd.ts";
import type { Watch } from "../platform/reactor.ts";
import { indexOf, type KernelArray, planCompaction, removed } from "./kernel_array.ts";
import { type GroupContext, HELD, type Hold, type Member } from "./member.ts";
import { type Membership, watchListener } from "./membership.ts";
import { programFor } from "./bpf_program.ts";
import { CandidateTraffic } from "./candidate_traffic.ts";
import { QueueWatch } from "./spread/queue_watch.ts";

export type MemberFields = Omit<Member, "id" | "shutDownWatch">;

/** The members at one address, and which of them get new connections. */
export interface MemberSet {
  readonly candidates: CandidateTraffic;
  /** In the kernel's order, retired ones included. */
  readonly all: readonly Member[];
  isReceiving(member: Member): boolean;
  append(fields: MemberFields): Member;
  appendShared(fields: MemberFields, isReceiving: boolean): void;
  join(fields: MemberFields, backlog: number, receives: boolean): Member;
  steerTo(members: readonly Member[], force: boolean): void;
  stopReceiving(member: Member): boolean;
  attach(force: boolean): void;
  compact(): void;
  remove(member: Member): void;
  findShutDown(): Member[];
  unshare(): void;
  close(): void;
  release(): void;
}

export class KernelMembers implements MemberSet {
  static #nextId = 1;
  readonly candidates = new CandidateTraffic();
  #array: KernelArray = [];
  readonly #members = new Map<number, Member>();
  readonly #receiving = new Set<number>();
  /** Members that another baton holds, too: it would need them, at their places, if this one failed. */
  readonly #shared = new Set<number>();
  #isSteered = false;
  readonly #isSpread: boolean;
  /** Receiving members that the program leaves out for now (--spread least). */
  #avoided: ReadonlySet<number> = new Set();
  readonly #queueWatch: QueueWatch | null;

  constructor(
    readonly context: GroupContext,
    readonly membership: Membership,
    readonly hold: () => Hold,
  ) {
    const { spread } = context;
    this.#isSpread = membership.isWatched && (spread?.kind ?? "random") !== "random";
    this.#queueWatch = this.#isSpread && spread?.kind === "least"
      ? new QueueWatch(spread, () => this.all.filter(this.isReceiving), (ids) => this.#avoid(ids))
      : null;
  }

  /** In the kernel's order, retired ones included. */
  get all(): readonly Member[] {
    return this.#array.map((id) => this.#members.get(id)!);
  }

  readonly isReceiving = (member: Member): boolean => this.#receiving.has(member.id);

  append(fields: MemberFields): Member {
    this.#isSteered = true;
    return this.#append(fields, this.#watch(fields.heldUntilRetired));
  }

  appendShared(fields: MemberFields, isReceiving: boolean): void {
    const { id } = this.append(fields);
    this.#shared.add(id);
    if (isReceiving) this.#receiving.add(id);
  }

  /**
   * Adds a member by listen(2) or bind(2).
   * @throws {SystemCallError} of that call; everything is then as before, and the socket closed
   */
  join(fields: MemberFields, backlog: number, receives: boolean): Member {
    const { heldUntilRetired: socket } = fields;
    try {
      // Attached before the call: from then on the kernel may choose the new member.
      if (!receives) this.attach(true);
    } catch (error) {
      socket.close();
      throw error;
    }
    // Watched before the call: nothing can fail between the kernel's array and the model.
    const shutDownWatch = this.#watch(socket);
    const before = this.#array;
    const member = this.#append(fields, shutDownWatch);
    try {
      this.context.beforeChange();
      this.membership.join(socket, backlog);
    } catch (error) {
      this.#members.delete(member.id);
      this.#array = before;
      shutDownWatch?.cancel();
      socket.close();
      throw error;
    }
    // The new member stands last and gets nothing: the moment when older holes can be filled.
    this.compact();
    if (receives) this.#receiving.add(member.id);
    return member;
  }

  #append(fields: MemberFields, shutDownWatch: Watch | null): Member {
    const member: Member = { ...fields, id: KernelMembers.#nextId++, shutDownWatch };
    this.#members.set(member.id, member);
    this.#array = [...this.#array, member.id];
    return member;
  }

  #watch(socket: Fd): Watch | null {
    if (!this.membership.isWatched) return null;
    return watchListener(this.context, this, socket, this.#queueWatch);
  }

  /** New connections go to `members`. @param force see `attach` */
  steerTo(members: readonly Member[], force: boolean): void {
    this.#receiving.clear();
    members.forEach((member) => this.#receiving.add(member.id));
    this.attach(force);
  }

  /**
   * Takes `member` out of those that receive, unless it is the last one. The caller attaches.
   * @returns whether anything has changed
   */
  stopReceiving(member: Member): boolean {
    return this.#receiving.size > 1 && this.#receiving.delete(member.id);
  }

  /** @param force attach a program even where the kernel's own choice has been enough so far */
  attach(force: boolean): void {
    const { all } = this;
    const through = all.find(this.isReceiving);
    if (this.hold() === "order and program" || all.some(({ origin }) => origin === "shared")) {
      return;
    }
    if (through === undefined || (!force && !this.#isSteered && !this.#isSpread)) return;
    try {
      this.context.sockets.attachReuseportProgram(through.heldUntilRetired, this.#program());
    } catch (error) {
      // Attaching fails through a socket that its server has connected meanwhile.
      if (!this.membership.hasPeer(through.heldUntilRetired)) throw error;
      this.findShutDown();
    }
    this.#isSteered = true;
    this.#queueWatch?.update();
  }

  #avoid(ids: ReadonlySet<number>): void {
    const hasChanged = ids.symmetricDifference(this.#avoided).size > 0;
    this.#avoided = ids;
    if (hasChanged) this.attach(true);
  }

  #program() {
    const isChosen = (member: Member) => this.isReceiving(member) && !this.#avoided.has(member.id);
    const choice = this.candidates.choice(
      this.all,
      this.all.some(isChosen) ? isChosen : this.isReceiving,
      (members) => members.map(({ id }) => indexOf(this.#array, id)),
    );
    return programFor({ ...choice, draw: this.membership.draw });
  }

  /** Closes the dead members that can be closed now. */
  compact(): void {
    if (this.hold() !== "nothing" || this.#shared.size > 0) return;
    const dead = new Set(this.all.filter((member) => member.dead).map(({ id }) => id));
    if (dead.size === 0) return;
    const named = new Set([...this.#receiving, ...this.candidates.membersIn(this.all)]);
    for (const id of planCompaction(this.#array, named, dead)) this.#remove(id);
    // The last dead one among receiving ones may go in any case: wherever the program points then,
    // out of range too, is a receiving one. It must: clients in its queue would wait forever.
    const [last, ...others] = this.all.filter((member) => !this.isReceiving(member));
    const isAlone = others.length === 0 && this.candidates.isEmpty;
    if (last?.dead !== true || !isAlone || this.#receiving.size === 0) return;
    this.#remove(last.id);
    this.attach(true);
  }

  /** Takes out a member that receives nothing, even if that moves others, and attaches again. */
  remove(member: Member): void {
    this.#remove(member.id);
    this.attach(true);
  }

  #remove(id: number): void {
    this.context.beforeChange();
    this.#drop(this.#members.get(id)!);
  }

  /**
   * Finds members that a server has taken out of the kernel's array by shutdown(2) on its listener, or by connect(2) of a
   * UDP socket, and attaches again, because the array has changed under the program. No client waits for another of those.
   * @returns the members that were lost
   */
  findShutDown(): Member[] {
    let hasChanged = false;
    const lost = this.all.filter((member) => {
      const socket = member.heldUntilRetired;
      // A connected socket serves its peer until its server closes it.
      if (this.membership.hasPeer(socket)) {
        const isOut = this.#isOut(socket);
        if (isOut) this.#letGo(member);
        hasChanged = isOut || this.stopReceiving(member) || hasChanged;
        return isOut;
      }
      if (this.membership.hasJoined(socket)) return false;
      this.#drop(member);
      return hasChanged = true;
    });
    if (hasChanged) this.attach(true);
    if (this.membership.isWatched) { for (const member of lost) this.context.onWaiting?.(member); }
    return lost;
  }

  /**
   * Whether the kernel has taken a connected UDP socket out of the array. Linux before 6.13 leaves some where they are.
   */
  #isOut(socket: Fd): boolean {
    if (this.hold() !== "nothing") return false;
    // The program that is attached already.
    const program = this.#receiving.size > 0 ? this.#program() : programFor({ receiving: [0] });
    try {
      // Through a socket outside the array this fails.
      this.context.sockets.attachReuseportProgram(socket, program);
      return false;
    } catch (error) {
      if (!(error instanceof SystemCallError)) throw error;
      return true;
    }
  }

  #letGo(member: Member): void {
    this.#forget(member);
    member.heldUntilRetired.close();
  }

  /** The other baton has exited: the members are ours alone, and dead ones can be closed. */
  unshare(): void {
    this.#shared.clear();
    // The other baton's program may leave out members, so this one attaches its own. Not with held queues: their
    // members are not known to receive yet.
    if (this.all.every(({ epoch }) => epoch !== HELD)) this.attach(false);
    this.compact();
  }

  close(): void {
    this.#queueWatch?.close();
    for (const member of this.#members.values()) this.#drop(member);
  }

  release(): void {
    this.#queueWatch?.close();
    for (const member of this.#members.values()) this.#letGo(member);
  }

  #forget(member: Member): void {
    this.#array = removed(this.#array, member.id);
    this.#members.delete(member.id);
    this.#receiving.delete(member.id);
    member.shutDownWatch?.cancel();
    this.#queueWatch?.forget(member);
  }

  #drop(member: Member): void {
    this.#forget(member);
    // Shut down first: some helper of the old server may have it open, and closing ours would leave it in the array.
    const isOurs = this.hold() === "nothing" && !this.#shared.delete(member.id) &&
      member.origin === null;
    if (isOurs) this.membership.leave(member.heldUntilRetired);
    member.heldUntilRetired.close();
  }
}
