/**
 * The members of single workers of a generation. One that starts gets nothing before it has passed its gate, one that
 * drains gets nothing more, as long as others of its generation can; and one that has gone leaves no member behind.
 */
import type { MemberSet } from "./kernel_members.ts";
import type { Member } from "./member.ts";

/** A group, as far as this needs it. */
interface WorkersGroup {
  readonly members: readonly Member[];
  readonly isFrozen: boolean;
  readonly isHeld: boolean;
  readonly receivingEpochs: ReadonlySet<number>;
  isReceiving(member: Member): boolean;
  membersOf(epoch: number, worker?: number): Member[];
  usableMembers(epoch: number): readonly Member[];
}

export class WorkerMembers {
  constructor(readonly group: WorkersGroup, readonly set: MemberSet) {}

  /** New connections go to the other workers of its generation. @param isDead no process of this one is left */
  setAside(epoch: number, worker: number, isDead: boolean): void {
    const { group, set } = this;
    const members = group.membersOf(epoch, worker);
    for (const member of members) {
      Object.assign(member, isDead ? { unheld: true } : { aside: true });
    }
    if (!this.#isGiven(epoch)) return set.attach(false);
    const usable = group.usableMembers(epoch);
    // The last member gets what comes until another one is there.
    const others = usable.filter(({ aside = false, unheld }) => !aside && !unheld);
    if (others.length > 0) set.steerTo(others, true);
  }

  /** The worker has passed its gate: its members receive. */
  admit(epoch: number, worker: number): void {
    const { group, set } = this;
    const members = group.membersOf(epoch, worker).filter(({ aside = false }) => aside);
    for (const member of members) member.aside = false;
    if (members.length === 0 || !this.#isGiven(epoch)) return;
    set.steerTo(group.usableMembers(epoch), true);
  }

  /** Retires its members, with what waits in them: the caller has seen to that. */
  retire(epoch: number, worker: number): void {
    const { group, set } = this;
    this.setAside(epoch, worker, true);
    for (const member of group.membersOf(epoch, worker)) {
      if (member.origin !== null) continue;
      member.dead = true;
      set.stopReceiving(member);
    }
    set.attach(true);
    set.compact();
  }

  /** Whether the generation gets the connections here, and this baton steers. */
  #isGiven(epoch: number): boolean {
    const { receivingEpochs, isFrozen, isHeld } = this.group;
    return receivingEpochs.has(epoch) && !isFrozen && !isHeld;
  }
}

/**
 * Whether a group may be one of this worker: it is not known to be another worker's alone, as where {worker} is part of
 * the port.
 */
export function concernsWorker(
  { members }: { readonly members: readonly Pick<Member, "dead" | "worker">[] },
  worker: number,
): boolean {
  const others = new Set(members.filter(({ dead }) => !dead).map((member) => member.worker));
  return others.size !== 1 || others.has(worker);
}
