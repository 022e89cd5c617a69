/** All reuseport groups of the service, by address. */
import type { Reactor } from "../platform/reactor.ts";
import type { Sockets } from "../platform/network/sockets.ts";
import { Group } from "./group.ts";
import { addressKey, overlaps, portsOf } from "./group_address.ts";
import { dialedAt, type FrontedAddress, frontEndpoints } from "./front/endpoints.ts";
import type { PrivateAddresses } from "./front/private_addresses.ts";
import { type GroupContext, type ListenAddress, type Member, NO_GENERATION } from "./member.ts";
import type { Spread } from "./spread/spread.ts";
import { steerAll } from "./steer_all.ts";
import { Tagging } from "./tagging.ts";
import { placeOf } from "./unix/moved_path.ts";

/** The epoch of members that are about to be retired and belong to no generation. */
const GIVEN_UP = -3;
export class Listeners implements GroupContext {
  readonly #groups = new Map<string, Group>();
  /** Where the crashed generation `of` listened: its replacement has some of its members already. */
  #orphaned: { readonly of: number; readonly groups: ReadonlySet<Group> } | null = null;
  servingEpoch: number | null = null;
  onWaiting: ((member: Member) => void) | null = null;
  spread: Spread | null = null;
  privateAddresses: PrivateAddresses | null = null;
  onFrontChange: (() => void) | null = null;
  /** Called when the first member at a Unix path is about to come. */
  onPath: (() => void) | null = null;
  /** The serving generation, once it has closed its listeners and lives on: `lend` has its queues. */
  deafEpoch: number | null = null;
  /** The generation whose clients wait for the one that starts when it has exited (held_queues.ts). */
  heldEpoch: number | null = null;

  constructor(
    readonly sockets: Sockets,
    readonly reactor: Reactor | null = null,
    readonly beforeChange: () => void = () => {},
    readonly tagging: Tagging = new Tagging(sockets),
  ) {}

  get groups(): readonly Group[] {
    return [...this.#groups.values()];
  }

  /** What a proxy in front of the service has to dial. @param planned epoch that is taken to receive */
  frontEndpoints(planned: number | null = null): FrontedAddress[] {
    return frontEndpoints(this.groups, planned);
  }

  /** Ports that clients connect to. */
  get ports(): number[] {
    return [...new Set(this.groups.flatMap(portsOf))];
  }

  find(address: ListenAddress): Group | null {
    return this.#groups.get(addressKey(address)) ?? null;
  }

  /**
   * A group at an overlapping address where a generation other than `own` gets connections. A first member at
   * `address` would take them at once: it receives, and the kernel prefers the more specific listener.
   */
  overlapping(address: ListenAddress, own: readonly (number | null)[]): Group | null {
    if ((this.find(address)?.members.length ?? 0) > 0) return null;
    const receives = (group: Group) =>
      group.members.some((member) =>
        group.isReceiving(member) && !member.dead &&
        ![NO_GENERATION, ...own].includes(member.epoch) &&
        // The serving generation may listen at another address now that takes the place of this one.
        !(member.standsIn && this.servingEpoch !== null && own.includes(this.servingEpoch))
      );
    return this.groups.find((group) => overlaps(group.address, address) && receives(group)) ?? null;
  }

  /** The group of `address`, made empty if there is none yet. */
  obtain(address: ListenAddress): Group {
    const key = addressKey(address);
    let group = this.#groups.get(key);
    if (group === undefined) {
      group = new Group(address, this);
      this.#groups.set(key, group);
      if (group.path !== null) this.onPath?.();
    }
    return group;
  }

  /** Before a decision that depends on the members' order: a shutdown(2) may not have been reported yet. */
  findShutDown(): void {
    for (const group of this.groups) group.findShutDown();
  }

  /** @param epoch of the generation whose member is meant, if several have the same socket */
  findMember(inode: number, epoch?: number): { group: Group; member: Member } | null {
    for (const group of this.groups) {
      const found = group.members.filter((candidate) => candidate.inode === inode);
      const member = found.find((candidate) => candidate.epoch === epoch) ?? found[0];
      if (member) return { group, member };
    }
    return null;
  }

  /** The service ends: new connections wait in the sockets that outlive this baton. */
  standBy(): void {
    this.servingEpoch = null;
    for (const group of this.groups) group.standBy();
  }

  /** Where one worker is found behind a front, for checks and commands; null: it is at the public address. */
  readonly dialed = (epoch: number, worker?: number) => dialedAt(this.groups, epoch, worker);

  groupsOf(epoch: number): Group[] {
    return this.groups.filter((group) => group.membersOf(epoch).length > 0);
  }

  /**
   * Whether the address of `group` is one of the service's, at which the next generation must listen. Addresses of
   * a generation that was rolled back or has never served are not.
   */
  isOfService(group: Group): boolean {
    const serving = this.servingEpoch;
    const isReached = (each: Member) => group.isReceiving(each) && !each.late && !each.dead;
    if (!group.members.some(isReached)) return false;
    if (serving === null || group.membersOf(serving).length > 0) return true;
    return this.#orphaned?.of === serving && this.#orphaned.groups.has(group);
  }

  /** THE POINT OF NO RETURN of a reload. */
  switchTo(epoch: number): void {
    this.findShutDown();
    this.servingEpoch = epoch;
    this.deafEpoch = this.heldEpoch = null;
    steerAll(this.groups, (group) => group.usableMembers(epoch));
  }

  /**
   * A queue of the deaf generation for `epoch`, which is about to listen there: it need not have passed its gate, since
   * no process accepts there. It goes back if `epoch` ends before it serves.
   */
  lend(group: Group, epoch: number): Member | undefined {
    const { deafEpoch } = this;
    if (deafEpoch === null || deafEpoch === epoch || group.isFrozen) return undefined;
    const member = group.membersOf(deafEpoch).find(({ unheld, standsIn }) => unheld && !standsIn);
    if (member !== undefined) member.lentBy = { epoch: deafEpoch, owner: member.owner };
    return member;
  }

  #takeBack(epoch: number): void {
    const { deafEpoch, servingEpoch } = this;
    if (deafEpoch === null || epoch === servingEpoch) return;
    for (const member of this.groups.flatMap((group) => group.membersOf(epoch))) {
      if (member.lentBy?.epoch === deafEpoch) {
        Object.assign(member, member.lentBy, { unheld: true });
      }
    }
  }

  /**
   * `epoch` serves now, in place of `before`. Members of `before` at addresses where `epoch` does not listen yet stay
   * until it does, or until `giveUp`. A listener that belongs to one client's session goes with that session.
   */
  succeed(epoch: number, before: number | null): void {
    for (const group of this.groups) {
      const isOpened = this.#isOpened(group, epoch);
      for (const member of group.members) {
        const { ofSession = false, origin } = member;
        const wasReached = member.epoch === before && !member.dead && group.isReceiving(member);
        if (wasReached && !ofSession && origin === null) member.standsIn = true;
        if (isOpened) member.standsIn = false;
        // No process accepts from it: its queue waits for the serving generation.
        if (member.standsIn && member.unheld) member.epoch = epoch;
      }
    }
  }

  /** Groups where `epoch`, which serves, does not listen yet, as the generation before it did. */
  awaited(epoch: number): Group[] {
    return this.groups.filter((group) => {
      const isAwaited = group.members.some(({ standsIn, dead }) => standsIn && !dead);
      return isAwaited && !this.#isOpened(group, epoch);
    });
  }

  /**
   * Releases members at addresses where `epoch` listens by now. Those with no process stay for its next worker.
   * @returns the members that remain
   */
  standingIn(epoch: number): Member[] {
    return this.groups.flatMap((group) => {
      const members = group.members.filter(({ standsIn, dead }) => standsIn && !dead);
      if (members.length === 0 || !this.#isOpened(group, epoch)) return members;
      const isLeft = (member: Member) => member.epoch === epoch && member.unheld;
      for (const member of members) member.standsIn = isLeft(member);
      return members.filter(isLeft);
    });
  }

  /** Whether `epoch` is needed beside the serving generation. */
  standsIn(epoch: number): boolean {
    return this.groups.some((group) => group.membersOf(epoch).some((member) => member.standsIn));
  }

  /** Releases members that a live process of `epoch` has closed on purpose. */
  standDown(epoch: number, processes: readonly number[]): void {
    for (const member of this.groups.flatMap((group) => group.membersOf(epoch))) {
      if (member.unheld && processes.includes(member.owner)) member.standsIn = false;
    }
  }

  /** Stops waiting for `epoch`: an address without an accepting process refuses, as without baton. */
  giveUp(epoch: number): void {
    for (const group of this.groups) {
      const given = group.members.filter(({ standsIn }) => standsIn);
      for (const member of given) member.standsIn = false;
      const isLeft = (member: Member) => member.epoch === epoch && member.unheld && !member.dead;
      if (group.isFrozen || !given.some(isLeft)) continue;
      for (const member of given.filter(isLeft)) member.epoch = GIVEN_UP;
      group.retire(GIVEN_UP);
      if (group.members.length === 0) this.#forget(group);
    }
  }

  /** Whether `epoch` listens at the address of `group`, or at an overlapping one that replaces it. */
  #isOpened(group: Group, epoch: number): boolean {
    const place = group.path ? placeOf(this.groups, group, epoch) : group;
    const isOpen = (each: Group) =>
      each.membersOf(epoch).some(({ owner, unheld }) => owner !== 0 && !unheld);
    return isOpen(place) ||
      this.#groups.values().some((each) => overlaps(each.address, place.address) && isOpen(each));
  }

  /** The processes of `epoch` are gone: its members that stand in wait, with their queues, for the serving generation. */
  #passOn(epoch: number): void {
    const { servingEpoch } = this;
    if (servingEpoch === null || servingEpoch === epoch) return;
    for (const group of this.groups) {
      const members = group.membersOf(epoch).filter(({ standsIn }) => standsIn);
      for (const member of members) Object.assign(member, { epoch: servingEpoch, unheld: true });
    }
  }

  /** Gives a candidate a part of the new connections; 0: none. @returns addresses where that is impossible */
  share(epoch: number, percent: number): string[] {
    const share = percent > 0 ? { epoch, percent } : null;
    for (const group of this.groups) group.steerCandidates({ share });
    return this.groups.filter(({ isShared, path }) => isShared || (path !== null && percent < 100))
      .map(({ text }) => text);
  }

  retire(epoch: number): void {
    this.#passOn(epoch);
    this.#takeBack(epoch);
    for (const [key, group] of this.#groups) {
      group.retire(epoch);
      if (group.members.length === 0) this.#groups.delete(key);
    }
  }

  /** A replacement of the crashed generation `epoch` starts: remembers where that one listened. */
  rememberOrphaned(epoch: number): void {
    if (this.#orphaned?.of === epoch) return;
    this.#orphaned = { of: epoch, groups: new Set(this.groupsOf(epoch)) };
  }

  /** A failed replacement's members belong to the crashed generation `to` again, except where that never listened. */
  returnMembers(epoch: number, to: number): void {
    const orphaned = this.#orphaned?.of === to ? this.#orphaned.groups : null;
    for (const group of this.groups) {
      if (orphaned !== null && !orphaned.has(group)) continue;
      for (const member of group.membersOf(epoch)) {
        member.epoch = to;
        member.unheld = true;
      }
    }
  }

  /** The server has closed this listener: its address refuses from now on, as without baton. */
  discard(group: Group, member: Member): void {
    group.discard(member);
    if (group.members.length === 0) this.#forget(group);
  }

  #forget({ address }: Group): void {
    this.#groups.delete(addressKey(address));
  }

  /** Lets go of a group with one member, whose process keeps listening. */
  release(group: Group): void {
    group.release();
    this.#forget(group);
  }

  /** Closes a group in which no process listens any more. */
  closeGroup(group: Group): void {
    group.close();
    this.#forget(group);
  }

  close(): void {
    for (const group of this.groups) group.close();
    this.#groups.clear();
  }
}
