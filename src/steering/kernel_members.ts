/**
 * The members of one SO_REUSEPORT group in the kernel: their order in its array, and the program that chooses among
 * them. Only this file changes either.
 *
 * - a member stays open, held here by a duplicate, even if its process closes it, until it is dead; so a
 *   connection that the kernel has queued is never thrown away;
 * - a member leaves the kernel's array only at a moment when that moves no receiving one.
 */
import type { Fd } from "../platform/fd.ts";
import type { Readiness, Watch } from "../platform/reactor.ts";
import { indexOf, type KernelArray, planCompaction, removed } from "./kernel_array.ts";
import { type GroupContext, type Hold, type Member, usableOf } from "./member.ts";
import type { Membership } from "./membership.ts";
import { type MemberChoice, programFor } from "./bpf_program.ts";

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
  /** Members that another baton holds too: it would need them, where they are, if we failed. */
  readonly #shared = new Set<number>();
  #isSteered = false;

  constructor(
    readonly context: GroupContext,
    readonly membership: Membership,
    readonly hold: () => Hold,
  ) {}

  /** In the kernel's order, retired ones included. */
  get all(): readonly Member[] {
    return this.#array.map((id) => this.#members.get(id)!);
  }

  readonly isReceiving = (member: Member): boolean => this.#receiving.has(member.id);

  append(fields: MemberFields): Member {
    this.#isSteered = true;
    return this.#append(fields, this.#watch(fields.heldUntilRetired));
  }

  /** Adds one that another baton has, too. */
  appendShared(fields: MemberFields, isReceiving: boolean): void {
    const { id } = this.append(fields);
    this.#shared.add(id);
    if (isReceiving) this.#receiving.add(id);
  }

  /**
   * Adds one by listen(2) or bind(2).
   * @throws {SystemCallError} of that call; everything is then as before, and the socket closed
   */
  join(fields: MemberFields, backlog: number, receives: boolean): Member {
    const { heldUntilRetired: socket } = fields;
    // Watched before the call: nothing can fail between the kernel's array and the model.
    const shutDownWatch = this.#watch(socket);
    const before = this.#array;
    const member = this.#append(fields, shutDownWatch);
    try {
      this.context.beforeChange();
      // Before the call: from then on the kernel may choose the new member.
      if (!receives) this.attach(true);
      this.membership.join(socket, backlog);
    } catch (error) {
      this.#members.delete(member.id);
      this.#array = before;
      shutDownWatch?.cancel();
      socket.close();
      throw error;
    }
    // The new one stands last and gets nothing: the moment when older holes can be filled.
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
    const onEvent = ({ readable, hangup }: Readiness) =>
      readable && !hangup ? this.#onWaiting(socket) : this.#onHangup(socket);
    return this.context.reactor?.watch(socket, onEvent, {}) ?? null;
  }

  /** Of a listener, data to read is a connection in its queue. */
  #onWaiting(socket: Fd): void {
    const member = this.all.find(({ heldUntilRetired }) => heldUntilRetired === socket);
    if (member === undefined) return;
    member.shutDownWatch?.arm({});
    this.context.onWaiting?.(member);
  }

  /** Of a socket that does not listen yet, a hang-up means nothing. */
  #onHangup(socket: Fd): void {
    const member = this.all.find(({ heldUntilRetired }) => heldUntilRetired === socket);
    if (member && !this.findShutDown().includes(member)) member.shutDownWatch?.arm({});
  }

  /** New connections go to `members`. @param force see `attach` */
  steerTo(members: readonly Member[], force: boolean): void {
    this.#receiving.clear();
    members.forEach((member) => this.#receiving.add(member.id));
    this.attach(force);
  }

  /** The last one that receives continues to. The caller attaches. @returns whether anything has changed */
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
    if (through === undefined || (!force && !this.#isSteered)) return;
    const choice = this.candidates.choice(
      all,
      this.isReceiving,
      (members) => members.map(({ id }) => indexOf(this.#array, id)),
    );
    const { draw } = this.membership;
    this.context.sockets.attachReuseportProgram(
      through.heldUntilRetired,
      programFor({ ...choice, draw }),
    );
    this.#isSteered = true;
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
   * Finds members that a server has taken out of the kernel's array by shutdown(2) on its listener,
   * and attaches again, because the array has changed under the program.
   * @returns the members that were lost
   */
  findShutDown(): Member[] {
    const lost = this.all.filter(({ heldUntilRetired }) =>
      !this.membership.hasJoined(heldUntilRetired)
    );
    for (const member of lost) this.#drop(member);
    if (lost.length > 0) this.attach(true);
    for (const member of lost) this.context.onWaiting?.(member);
    return lost;
  }

  /** The other baton has exited: the members are ours alone, and dead ones can be closed. */
  unshare(): void {
    this.#shared.clear();
    this.compact();
  }

  close(): void {
    for (const member of this.#members.values()) this.#drop(member);
  }

  release(): void {
    for (const member of this.#members.values()) {
      this.#forget(member);
      member.heldUntilRetired.close();
    }
  }

  #forget(member: Member): void {
    this.#array = removed(this.#array, member.id);
    this.#members.delete(member.id);
    this.#receiving.delete(member.id);
    member.shutDownWatch?.cancel();
  }

  #drop(member: Member): void {
    this.#forget(member);
    // Some helper of the old server may have it open: closing ours would leave it in the array.
    const isOurs = this.hold() === "nothing" && !this.#shared.delete(member.id) &&
      member.origin === null;
    if (isOurs) this.membership.leave(member.heldUntilRetired);
    member.heldUntilRetired.close();
  }
}

type Of<Part> = Omit<NonNullable<Part>, "members"> & { readonly epoch: number };

/** Which connections go to generations that do not serve yet: a share of all (a canary), or those of our own probes. */
export class CandidateTraffic {
  share: Of<MemberChoice["share"]> | null = null;
  probe: Of<MemberChoice["probe"]> | null = null;

  get isEmpty(): boolean {
    return this.share === null && this.probe === null;
  }

  /** The program may name members of it, although it does not serve. */
  has(epoch: number): boolean {
    return epoch === this.share?.epoch || epoch === this.probe?.epoch;
  }

  membersIn(all: readonly Member[]): number[] {
    return all.filter(({ dead, epoch }) => !dead && this.has(epoch)).map(({ id }) => id);
  }

  /** @returns whether `epoch` got any connections */
  forget(epoch: number): boolean {
    const had = this.has(epoch);
    if (this.share?.epoch === epoch) this.share = null;
    if (this.probe?.epoch === epoch) this.probe = null;
    return had;
  }

  choice(
    all: readonly Member[],
    isReceiving: (member: Member) => boolean,
    indices: (members: readonly Member[]) => number[],
  ): MemberChoice {
    const { share, probe } = this;
    const membersOf = (epoch: number) => {
      const alive = all.filter((member) => member.epoch === epoch && !member.dead);
      return { members: indices(usableOf(alive)) };
    };
    return {
      receiving: indices(all.filter(isReceiving)),
      share: share && { ...share, ...membersOf(share.epoch) },
      probe: probe && { ...probe, ...membersOf(probe.epoch) },
    };
  }
}
