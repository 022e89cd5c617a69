/** What connections go to generations that do not serve yet. */
import type { MemberChoice } from "./bpf_program.ts";
import { type Member, usableOf } from "./member.ts";

const ALL = 100;

type Of<Part> = Omit<NonNullable<Part>, "members"> & {
  readonly epoch: number;
  /** Its worker; missing: all of the generation. */
  readonly worker?: number;
};

/** Which connections go to generations that do not serve yet: a share of all (a canary), or those of our own probes. */
export class CandidateTraffic {
  share: Of<MemberChoice["share"]> | null = null;
  probe: Of<MemberChoice["probe"]> | null = null;

  /** @param isDivisible whether a share below all of the connections is possible */
  constructor(readonly isDivisible = true) {}

  get isEmpty(): boolean {
    return this.share === null && this.probe === null;
  }

  /** Whether the program may name members of `epoch`, although it does not serve. */
  has(epoch: number): boolean {
    return epoch === this.share?.epoch || epoch === this.probe?.epoch;
  }

  /** Whether `member` gets any of the new connections, by a share too. */
  gets(member: Member, isReceiving: (member: Member) => boolean): boolean {
    const { share } = this;
    const percent = share === null || !this.isDivisible && share.percent < ALL ? 0 : share.percent;
    if (member.epoch !== share?.epoch) return isReceiving(member) && percent < ALL;
    return percent > 0 && (share.worker ?? member.worker) === member.worker;
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

  /** Each list is in the order of the workers: `--spread cpu` gives the first one processor 0. */
  choice(
    members: readonly Member[],
    isReceiving: (member: Member) => boolean,
    indices: (members: readonly Member[]) => number[],
  ): MemberChoice {
    const { share, probe } = this;
    const all = members.toSorted((a, b) => a.worker - b.worker);
    const membersOf = ({ epoch, worker }: { epoch: number; worker?: number }) => {
      const alive = all.filter((each) =>
        each.epoch === epoch && !each.dead && (worker ?? each.worker) === each.worker
      );
      return { members: indices(usableOf(alive)) };
    };
    return {
      receiving: indices(all.filter(isReceiving)),
      share: share && { ...share, ...membersOf(share) },
      probe: probe && { ...probe, ...membersOf(probe) },
    };
  }
}
