/**
 * The members at one public address of a service behind a proxy (--front): each has a private address of its own, and a
 * list of those that the proxy dials is in the place of the kernel's program (endpoints.ts). THE SWITCH here is a note of
 * which members receive; what has to act on it is called (`GroupContext.onFrontChange`).
 */
import { C } from "../../platform/libc/constants.ts";
import { CandidateTraffic } from "../candidate_traffic.ts";
import type { MemberFields, MemberSet } from "../kernel_members.ts";
import { beginToListen, watchListener } from "../membership.ts";
import type { GroupContext, Hold, Member } from "../member.ts";

export class FrontMembers implements MemberSet {
  static #nextId = 1;
  readonly candidates = new CandidateTraffic();
  #members: Member[] = [];
  readonly #receiving = new Set<number>();
  /** Members that have been dialed. */
  readonly #known = new Set<number>();
  /** Members that another baton holds too. */
  readonly #shared = new Set<number>();

  constructor(readonly context: GroupContext, readonly hold: () => Hold) {}

  get all(): readonly Member[] {
    return this.#members;
  }

  readonly isReceiving = (member: Member): boolean => this.#receiving.has(member.id);

  /** Whether `member` receives, or has received. */
  readonly hasReceived = (member: Member): boolean => this.#known.has(member.id);

  append(fields: MemberFields): Member {
    const socket = fields.heldUntilRetired;
    const place = this.context.sockets.localAddress(socket);
    const id = FrontMembers.#nextId++;
    const member: Member = {
      ...fields,
      ...place && { place },
      id,
      shutDownWatch: watchListener(this.context, this, socket),
    };
    this.#members = [...this.#members, member];
    return member;
  }

  appendShared(fields: MemberFields, isReceiving: boolean): void {
    const member = this.append(fields);
    this.#shared.add(member.id);
    const { servingEpoch } = this.context;
    if (isReceiving) this.#receiving.add(member.id);
    if (isReceiving || member.epoch < (servingEpoch ?? Infinity)) this.#known.add(member.id);
  }

  join(fields: MemberFields, backlog: number, receives: boolean): Member {
    beginToListen(this.context, fields.heldUntilRetired, backlog);
    const member = this.append(fields);
    if (receives) this.#receiving.add(member.id);
    this.attach();
    return member;
  }

  steerTo(members: readonly Member[]): void {
    this.#receiving.clear();
    for (const { id } of members) this.#receiving.add(id);
    this.attach();
  }

  stopReceiving(member: Member): boolean {
    return this.#receiving.size > 1 && this.#receiving.delete(member.id);
  }

  attach(): void {
    for (const id of this.#receiving) this.#known.add(id);
    const { share } = this.candidates;
    for (const { id, epoch } of this.#members) if (epoch === share?.epoch) this.#known.add(id);
    if (this.hold() !== "order and program") this.context.onFrontChange?.();
  }

  compact(): void {
    if (this.hold() !== "nothing" || this.#shared.size > 0) return;
    for (const member of this.#members) {
      if (member.dead && !this.isReceiving(member)) this.remove(member);
    }
  }

  remove(member: Member): void {
    this.context.beforeChange();
    this.#drop(member);
    this.attach();
  }

  /** @returns the members that were lost */
  findShutDown(): Member[] {
    const { sockets, onWaiting } = this.context;
    const lost = this.#members.filter(({ heldUntilRetired }) =>
      sockets.option(heldUntilRetired, C.SOL_SOCKET, C.SO_ACCEPTCONN) === 0
    );
    for (const member of lost) this.#drop(member);
    if (lost.length > 0) this.attach();
    for (const member of lost) onWaiting?.(member);
    return lost;
  }

  unshare(): void {
    this.#shared.clear();
    this.compact();
  }

  close(): void {
    for (const member of this.#members) this.#drop(member);
    this.attach();
  }

  release(): void {
    for (const member of this.#members) {
      member.shutDownWatch?.cancel();
      member.heldUntilRetired.close();
    }
    this.#members = [];
    this.#receiving.clear();
  }

  #drop(member: Member): void {
    this.#members = this.#members.filter((each) => each !== member);
    this.#receiving.delete(member.id);
    this.#known.delete(member.id);
    member.shutDownWatch?.cancel();
    const isOurs = this.hold() === "nothing" && !this.#shared.delete(member.id) &&
      member.origin === null;
    // Shut down first: some helper of the old server may have it open.
    if (isOurs) this.context.sockets.stopListening(member.heldUntilRetired);
    member.heldUntilRetired.close();
  }
}
