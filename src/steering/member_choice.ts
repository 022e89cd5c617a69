/** Who gets the new connections of a group, as a program of its members' indices. Pure. */
import { assemble, encode, type Selection } from "./bpf_program.ts";

/** Who gets what, in indices of the kernel's array. */
export interface MemberChoice {
  /** Members of the serving generation, at least one. */
  readonly receiving: readonly number[];
  /** A part of the new connections for a candidate, in percent; without members: none. */
  readonly share: { readonly percent: number; readonly members: readonly number[] } | null;
  /** Connections from this port are our own, and for these members only. */
  readonly probe: {
    readonly port: number;
    readonly address: Uint8Array;
    readonly members: readonly number[];
  } | null;
}

export function programFor(choice: MemberChoice): Uint8Array {
  return encode(assemble(selectionOf(choice)));
}

/** At 0 or 100 percent nothing is drawn by lot. */
export function selectionOf({ receiving, share, probe }: MemberChoice): Selection {
  const others = sharedBy(receiving, share);
  if (probe === null || probe.members.length === 0) return others;
  const { port: sourcePort, address: sourceAddress, members: candidate } = probe;
  return { kind: "probe", sourcePort, sourceAddress, candidate, others };
}

function sharedBy(receiving: readonly number[], share: MemberChoice["share"]): Selection {
  if (share === null || share.members.length === 0 || share.percent <= 0) return oneOf(receiving);
  if (share.percent >= 100) return oneOf(share.members);
  const { percent, members: candidate } = share;
  return { kind: "share", percent, candidate, others: receiving };
}

/** Several get their connections at random. */
function oneOf(indices: readonly number[]): Selection {
  const [only] = indices;
  return indices.length === 1 && only !== undefined
    ? { kind: "one", index: only }
    : { kind: "spread", indices };
}
