/** Unix sockets, from /proc/net/unix: net/unix/af_unix.c, unix_seq_show(). */
import { readText, socketInodesOf } from "../platform/process/proc.ts";

interface UnixSocket {
  /** The low 32 bits of the inode's number. */
  readonly inode: number;
  /** A path, or a name that begins with "@". */
  readonly path: string;
  readonly listens: boolean;
}

/** Flag of a listener: __SO_ACCEPTCON, include/linux/socket.h */
const ACCEPTS = 0x10000;
const LINE = /^\S+: \S+ \S+ ([0-9A-F]+) \S+ \S+ +(\d+) (.+)$/gm;

/** All Unix sockets of this network namespace that have a path or a name. */
export function unixSockets(text = readText("/proc/self/net/unix") ?? ""): UnixSocket[] {
  return [...text.matchAll(LINE)].map(([, flags = "", inode, path = ""]) => ({
    inode: Number(inode) >>> 0,
    path,
    listens: (parseInt(flags, 16) & ACCEPTS) !== 0,
  }));
}

/** The sockets at which `pids` listen, each with the first process that has it open: workers come later. */
export function listeningSocketsOf(pids: readonly number[]): { path: string; pid: number }[] {
  const sockets = unixSockets().filter(({ listens }) => listens);
  if (sockets.length === 0) return [];
  const owners = new Map<number, number>();
  for (const pid of pids.toReversed()) {
    for (const inode of socketInodesOf(pid)) owners.set(inode, pid);
  }
  return sockets.flatMap(({ inode, path }) => {
    const pid = owners.get(inode);
    return pid === undefined ? [] : [{ path, pid }];
  });
}
