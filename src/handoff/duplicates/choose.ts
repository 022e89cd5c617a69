/** Which source of duplicates a baton uses. Pure. */

/** What `auto` may choose. The third way, at-bind, is for users to choose: it loses options. */
type DuplicatesBy = "getfd" | "socket-trap";

interface Circumstances {
  /** Whether pidfd_getfd(2) and /proc/PID/mem work on a child, which was tried. */
  readonly hasGetfd: boolean;
  readonly isRoot: boolean;
  /** CAP_SYS_PTRACE: the right over processes of other users. */
  readonly mayTraceOthers: boolean;
}

/**
 * With pidfd_getfd nothing is trapped but bind and listen, so it is the first choice. A server that root starts may become
 * another user (gosu, setpriv, its own setuid), and the filter cannot be changed then.
 */
export function chooseDuplicates(
  { hasGetfd, isRoot, mayTraceOthers }: Circumstances,
): DuplicatesBy {
  return hasGetfd && (mayTraceOthers || !isRoot) ? "getfd" : "socket-trap";
}

/** The way in words, for people. */
export function duplicatesText(by: DuplicatesBy): string {
  return by === "getfd"
    ? "by pidfd_getfd"
    : "by the socket trap: an outgoing connection costs a server some 150 us while it starts, some 50 us afterwards, and nothing from the first reload on where its listeners allow it";
}
