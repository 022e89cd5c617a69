/**
 * Whose connections the rows of one look at the socket table are. Pure.
 *
 * First by the tag that a connection has from its listener (steering/tagging.ts): that needs no right to look into the server,
 * and holds for a process that has left the generation's tree. Only where it does not tell, what the generation's
 * processes have open decides, /proc/PID/fd.
 */
import { C } from "../platform/libc/constants.ts";
import { NO_TAG } from "../platform/network/socket_tag.ts";
import type { TcpSocket } from "../platform/network/sock_diag.ts";
import type { GenerationTags } from "../steering/generation_tags.ts";

type Row = Pick<TcpSocket, "state" | "inode" | "tag">;

interface Attribution<R> {
  readonly own: readonly R[];
  /** Connections that may be its own. */
  readonly uncertain: readonly R[];
}

export function isAccepted({ state, inode }: Row): boolean {
  return state !== C.TCP_LISTEN && inode !== 0;
}

/**
 * @returns whose the accepted connections are
 * @param tags null: there are none
 * @param isHere whether a connection came to an address of the service: another baton's service may have the same port
 * at another address, and the same tag
 */
export function attribute<R extends Row>(
  rows: readonly R[],
  epoch: number,
  tags: Pick<GenerationTags, "of" | "isUncertain"> | null,
  isHere: (row: R) => boolean = () => true,
): Attribution<R> {
  const accepted = rows.filter(isAccepted);
  const tag = tags?.of(epoch) ?? NO_TAG;
  if (tags === null || tag === NO_TAG) return { own: [], uncertain: accepted };
  const isUncertain = memoized((each: number) => tags.isUncertain(each));
  const isOwn = (row: R) => row.tag === tag && !isUncertain(tag) && isHere(row);
  const mayBeOwn = (row: R) => row.tag === tag || isUncertain(row.tag ?? NO_TAG);
  return {
    own: accepted.filter(isOwn),
    uncertain: accepted.filter((row) => mayBeOwn(row) && !isOwn(row)),
  };
}

function memoized(find: (tag: number) => boolean): (tag: number) => boolean {
  const known = new Map<number, boolean>();
  return (tag) => {
    const found = known.get(tag) ?? find(tag);
    known.set(tag, found);
    return found;
  };
}

/** Connections, by inode, of which the tags do not say what the processes have open. */
export interface Differences {
  /** A process of the generation has it, although another one's listener accepted it. */
  readonly gained: ReadonlySet<number>;
  /** A process of another generation has it, and none of this one. */
  readonly given: ReadonlySet<number>;
  /** A process has it that is no descendant of the generation: what ends that one does not end this connection. */
  readonly outside: ReadonlySet<number>;
}

const NONE: ReadonlySet<number> = new Set();
export const NO_DIFFERENCES: Differences = { gained: NONE, given: NONE, outside: NONE };

/** What some processes have open, by inode. */
interface Open {
  readonly inodes: ReadonlySet<number>;
  /** Whether all of the processes could be looked into. */
  readonly isAll: boolean;
}

/**
 * Servers may pass an accepted connection to another process (SCM_RIGHTS). Only what a process has open is evidence: one that
 * cannot be looked into, or that has left the generation's tree, has its connections all the same.
 * @param openByOthers called if that matters
 */
export function differences(
  tagged: ReadonlySet<number>,
  open: Open,
  openByOthers: () => ReadonlySet<number>,
): Differences {
  const gained = open.inodes.difference(tagged);
  const missing = tagged.difference(open.inodes);
  const given = missing.size === 0 ? NONE : missing.intersection(openByOthers());
  return { gained, given, outside: open.isAll ? missing.difference(given) : NONE };
}
