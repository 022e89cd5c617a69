/**
 * Which of a group's connections go to generations that do not serve yet: a share of all (a canary), or those of
 * baton's own probes. Does not touch the kernel.
 */
import type { MemberChoice } from "./bpf_program.ts";
import { type Member, usableOf } from "./member.ts";
import type { MemberId } from "./kernel_array.ts";

/** A part of the new connections for a generation that does not serve yet. */
interface Share {
  readonly epoch: number;
  /** 0 to 100. */
  readonly percent: number;
}

/** Connections of our own, for a generation that does not serve yet. */
interface ProbeSource {
  readonly epoch: number;
  readonly port: number;
  /** 4 or 16 bytes in network byte order. */
  readonly address: Uint8Array;
}

export class CandidateTraffic {
  share: Share | null = null;
  probe: ProbeSource | null = null;

  get isEmpty(): boolean {
    return this.share === null && this.probe === null;
  }

  /** The program may name members of it, although it does not serve. */
  has(epoch: number): boolean {
    return epoch === this.share?.epoch || epoch === this.probe?.epoch;
  }

  membersIn(all: readonly Member[]): MemberId[] {
    return all.filter(({ dead, epoch }) => !dead && this.has(epoch)).map(({ id }) => id);
  }

  /** @returns whether `epoch` got any connections */
  forget(epoch: number): boolean {
    const had = this.has(epoch);
    if (this.share?.epoch === epoch) this.share = null;
    if (this.probe?.epoch === epoch) this.probe = null;
    return had;
  }

  /** @param indices of members in the kernel's array */
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
