/** File locks as the kernel lists them, in /proc/locks and in /proc/PID/fdinfo. Pure. proc(5), fs/locks.c */

interface FileLock {
  /** A lock, and those that wait for it, have the same number. */
  readonly number: number;
  /** Whether it is only asked for, and held by another one. */
  readonly waits: boolean;
  readonly isExclusive: boolean;
  /** Who asked for it; -1: unknown, for it belongs to an open file description. */
  readonly pid: number;
  readonly ino: number;
}

const LINE = /^\s*(\d+):\s+(->\s+)?(?:FLOCK|POSIX|OFDLCK)\s+\S+\s+(\S+)\s+(-?\d+)\s+\S+?:(\d+)\s/;

/** @returns null for a line about something else: a lease, a delegation */
function parseLock(line: string): FileLock | null {
  const match = LINE.exec(line);
  if (match === null) return null;
  const [, number, arrow, mode, pid, ino] = match;
  return {
    number: Number(number),
    waits: arrow !== undefined,
    isExclusive: mode === "WRITE",
    pid: Number(pid),
    ino: Number(ino),
  };
}

/** @param text of /proc/locks, or the locks of one descriptor */
export function parseLocks(text: string): FileLock[] {
  return text.split("\n").flatMap((line) => parseLock(line) ?? []);
}

interface LockWait {
  readonly ino: number;
  /** Process that holds the lock; -1: unknown. */
  readonly holder: number;
}

/** @param inodes of files that these processes have open: a wait for an open file description names no process */
export function waitsOf(
  locks: readonly FileLock[],
  pids: readonly number[],
  inodes: ReadonlySet<number>,
): LockWait[] {
  const isOurs = ({ waits, pid, ino }: FileLock) =>
    waits && (pids.includes(pid) || pid === -1 && inodes.has(ino));
  return locks.filter(isOurs).map(({ number, ino }) => ({
    ino,
    holder: locks.find((lock) => lock.number === number && !lock.waits)?.pid ?? -1,
  }));
}
