/**
 * Finds the process that accepts from a socket which baton passed on. A server that inherits a socket need not
 * call listen(2), so this looks at what the kernel shows: the socket is in an epoll set, or a thread is blocked in
 * accept, poll or select on it; of a UDP socket, in recvfrom and the like.
 */
import type { Clock, Timer } from "../platform/clock.ts";
import type { Platform } from "../platform/platform.ts";
import * as proc from "../platform/process/proc.ts";
import type { Member } from "../steering/member.ts";

/** sizeof(struct pollfd). */
const POLLFD_SIZE = 8;
const MOST_POLLFDS = 256;
const FD_SETSIZE = 1024;

const ACCEPT_LOOK_INTERVAL_MS = 25;

interface AcceptWatchOptions {
  readonly clock: Clock;
  readonly members: readonly Member[];
  findAcceptor(member: Member): number | null;
  /** A process was found, and is now the owner of the member. */
  onAccepting(): void;
  isOver(): boolean;
}

/** Looks until `isOver()`. @returns stops it */
export function watchAccepts(
  { clock, members, findAcceptor, onAccepting, isOver }: AcceptWatchOptions,
): () => void {
  let timer: Timer | null = null;
  let isStopped = false;
  const look = () => {
    if (isOver()) return;
    for (const member of members.filter(({ owner }) => owner === 0)) {
      const owner = findAcceptor(member);
      if (owner === null) continue;
      member.owner = owner;
      onAccepting();
    }
    if (!isStopped && !isOver()) timer = clock.after(ACCEPT_LOOK_INTERVAL_MS, look);
  };
  if (members.length > 0) look();
  return () => {
    isStopped = true;
    timer?.cancel();
  };
}

/** @returns the pid of a process that accepts from any of `members`, or null */
export function acceptorOf(
  platform: Platform,
  members: readonly Pick<Member, "inode">[],
  pids: readonly number[],
): number | null {
  const inodes = new Set(members.map(({ inode }) => inode));
  const targets = new Set(members.map(({ inode }) => `socket:[${inode}]`));
  const waitsInCall = (tid: number) =>
    proc.blockedCalls(tid)
      .flatMap(({ call, args }) => descriptorsWaitedFor(platform, tid, call, args))
      .some((fd) => targets.has(proc.descriptorTarget(tid, fd) ?? ""));
  const accepts = (tid: number) =>
    [...proc.epollWatchedInodes(tid)].some((inode) => inodes.has(inode)) || waitsInCall(tid);
  return pids.find((pid) => accepts(proc.liveThreadOf(pid))) ?? null;
}

function descriptorsWaitedFor(
  platform: Platform,
  tid: number,
  call: number,
  args: readonly number[],
): number[] {
  const { arch } = platform.libc;
  const [first = -1, second = 0] = args;
  const ofOne = [
    arch.SYS_accept,
    arch.SYS_accept4,
    arch.SYS_recvfrom,
    arch.SYS_recvmsg,
    arch.SYS_recvmmsg,
  ];
  if (ofOne.includes(call)) return [first];
  if (call === arch.SYS_select || call === arch.SYS_pselect6) {
    return descriptorsIn(tid, second, Math.min(first, FD_SETSIZE));
  }
  if (call !== arch.SYS_poll && call !== arch.SYS_ppoll) return [];
  const count = Math.min(second, MOST_POLLFDS);
  const bytes = proc.readMemory(tid, first, count * POLLFD_SIZE);
  if (bytes === null) return [];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const complete = Math.floor(bytes.length / POLLFD_SIZE);
  return Array.from({ length: complete }, (_, i) => view.getInt32(i * POLLFD_SIZE, true));
}

/** The first `count` bits of an fd_set in a process's memory: bit n stands for descriptor n. */
function descriptorsIn(tid: number, address: number, count: number): number[] {
  const bytes = proc.readMemory(tid, address, Math.ceil(count / 8)) ?? new Uint8Array(0);
  return Array.from({ length: bytes.length * 8 }, (_, fd) => fd)
    .filter((fd) => ((bytes[fd >> 3] ?? 0) >> (fd & 7) & 1) === 1);
}
