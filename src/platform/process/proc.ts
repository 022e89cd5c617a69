/** Reads about processes from /proc: proc(5). One that has just exited has null, or an empty list: it is no error. */
import {
  closeSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  readSync,
  writeSync,
} from "node:fs";
import { decodeBytes } from "../bytes.ts";

/** @returns null when it does not exist, or may not be read */
export function readText(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return null;
  }
}

export function namesIn(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}

export function linkTarget(path: string): string | null {
  try {
    return readlinkSync(path);
  } catch {
    return null;
  }
}

/** @returns the group of `pattern` in a file below /proc */
function field(path: string, pattern: RegExp): string | null {
  return pattern.exec(readText(`/proc/${path}`) ?? "")?.[1] ?? null;
}

function number(digits: string | null, base = 10): number | null {
  return digits === null ? null : parseInt(digits, base);
}

/** Fields of /proc/PID/stat that baton uses. */
export interface ProcessStat {
  readonly state: string;
  /** Whether the first thread is exiting or has exited; the descriptors are closed when the last one has. */
  readonly isExiting: boolean;
  readonly parent: number;
  readonly group: number;
  readonly session: number;
  /** Controlling terminal, 0 = none. */
  readonly terminal: number;
  /** Clock ticks after boot: with the pid it names a process uniquely. */
  readonly startTime: number;
}

/** A flag in /proc/PID/stat: include/linux/sched.h */
const PF_EXITING = 0x4;

export function processStat(pid: number | string): ProcessStat | null {
  const text = readText(`/proc/${pid}/stat`);
  if (text === null) return null;
  // The command name in parentheses may itself hold spaces and parentheses.
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return {
    state: fields[0] ?? "?",
    isExiting: (Number(fields[6]) & PF_EXITING) !== 0,
    parent: Number(fields[1]),
    group: Number(fields[2]),
    session: Number(fields[3]),
    terminal: Number(fields[4]),
    startTime: Number(fields[19]),
  };
}

/**
 * Whether a process runs. False also for a zombie, unless it is only the first thread and others still run.
 * @param startTime which process of that number is meant
 */
export function isRunning(pid: number, startTime?: number): boolean {
  const stat = processStat(pid);
  if (stat === null || startTime !== undefined && stat.startTime !== startTime) return false;
  return isLive(stat) || liveThreadOf(pid) !== pid;
}

/** Whether a process is on its way out, or gone: its descriptors may be closed already. */
export const isExiting = (pid: number): boolean => processStat(pid)?.isExiting !== false;

/** @returns `pid`, or another of its threads if the first one has ended: that one shows nothing of the process any more */
export function liveThreadOf(pid: number): number {
  if (isLive(processStat(pid))) return pid;
  const others = namesIn(`/proc/${pid}/task`).map(Number);
  return others.find((tid) => isLive(processStat(`${pid}/task/${tid}`))) ?? pid;
}

function isLive(stat: ProcessStat | null): boolean {
  return stat !== null && stat.state !== "Z" && stat.state !== "X";
}

/** @returns the process that thread `tid` belongs to */
export function processOfThread(tid: number): number | null {
  return number(field(`${tid}/status`, /^Tgid:\s+(\d+)$/m));
}

/** Effective user id of a process. */
export function userOf(pid: number): number | null {
  return number(field(`${pid}/status`, /^Uid:\s+\d+\s+(\d+)/m));
}

/** Command name, at most 15 bytes. */
export function processName(pid: number): string | null {
  return readText(`/proc/${pid}/comm`)?.trimEnd() ?? null;
}

export function childrenOfThread(pid: number, tid: number | string): number[] {
  const text = readText(`/proc/${pid}/task/${tid}/children`) ?? "";
  return text.split(" ").filter(Boolean).map(Number);
}

/** Direct children of all threads of `pid`. */
export function childrenOf(pid: number): number[] {
  return namesIn(`/proc/${pid}/task`).flatMap((tid) => childrenOfThread(pid, tid));
}

/** `pid` and all its descendants. */
export function processTree(pid: number): number[] {
  const found = new Set([pid]);
  // A set also iterates over what is added meanwhile.
  for (const parent of found) childrenOf(parent).forEach((child) => found.add(child));
  return [...found];
}

/** @param wanted the search ends with them @returns inodes; none when we may not look (another user's process) */
export function socketInodesOf(pid: number, wanted?: Iterable<number>): Set<number> {
  return new Set(socketDescriptorsOf(pid, wanted).keys());
}

/** The inodes of those sockets, each with one of its descriptors. */
export function socketDescriptorsOf(pid: number, wanted?: Iterable<number>): Map<number, number> {
  const found = new Map<number, number>();
  const missing = wanted && new Set(wanted);
  if (missing?.size === 0) return found;
  const { directory, names } = descriptorsOf(pid);
  // There may be tens of thousands, and each look costs.
  for (const name of names) {
    const target = linkTarget(directory + name);
    if (target === null || !target.startsWith(SOCKET)) continue;
    // inet_diag has the low 32 bits only.
    const inode = Number(target.slice(SOCKET.length, -1)) >>> 0;
    found.set(inode, Number(name));
    if (missing?.delete(inode) && missing.size === 0) break;
  }
  return found;
}

/** As the kernel names a socket: "socket:[123]". */
const SOCKET = "socket:[";

function descriptorsOf(pid: number): { directory: string; names: string[] } {
  const of = (directory: string) => ({ directory, names: namesIn(directory) });
  const first = of(`/proc/${pid}/fd/`);
  return first.names.length > 0 ? first : of(`/proc/${liveThreadOf(pid)}/fd/`);
}

/** Whether we may see what `pid` has open: not of another user's process. */
export function canSeeDescriptors(pid: number): boolean {
  // Nearly all processes have standard input open; a list of thousands takes longer than all else.
  if (linkTarget(`/proc/${pid}/fd/0`) !== null) return true;
  try {
    const [first] = readdirSync(`/proc/${pid}/fd`);
    // With CAP_DAC_READ_SEARCH the list may be read, and not what each one is.
    if (first !== undefined) readlinkSync(`/proc/${pid}/fd/${first}`);
    return true;
  } catch (error) {
    return (error as { code?: string }).code === "ENOENT";
  }
}

/** What descriptor `fd` of `pid` is: "socket:[123]", "pipe:[45]", a path. */
export function descriptorTarget(pid: number | "self", fd: number): string | null {
  return linkTarget(`/proc/${pid}/fd/${fd}`);
}

/** open(2) flags of a descriptor, O_CLOEXEC included. */
export function descriptorFlags(pid: number, fd: number): number | null {
  return number(field(`${pid}/fdinfo/${fd}`, /^flags:\s+([0-7]+)$/m), 8);
}

/** Socket inodes that some epoll instance of `pid` watches (`tfd` lines of fdinfo, kernel 3.8+). */
export function epollWatchedInodes(pid: number): Set<number> {
  const inodes = new Set<number>();
  for (const fd of namesIn(`/proc/${pid}/fdinfo`)) {
    if (descriptorTarget(pid, Number(fd)) !== "anon_inode:[eventpoll]") continue;
    const text = readText(`/proc/${pid}/fdinfo/${fd}`) ?? "";
    for (const match of text.matchAll(/^tfd:.*\bino:([0-9a-f]+)/gm)) {
      inodes.add(parseInt(match[1]!, 16) >>> 0);
    }
  }
  return inodes;
}

/** System calls that threads of `pid` are blocked in, with their arguments. */
export function blockedCalls(pid: number): { tid: number; call: number; args: number[] }[] {
  return namesIn(`/proc/${pid}/task`).flatMap((tid) => {
    const fields = (readText(`/proc/${pid}/task/${tid}/syscall`) ?? "").split(" ");
    const call = Number(fields[0]);
    if (!Number.isInteger(call) || fields.length < 7) return [];
    return [{ tid: Number(tid), call, args: fields.slice(1, 7).map(Number) }];
  });
}

/** `length` bytes of a thread's memory at `address`, or null. */
export function readMemory(tid: number, address: number, length: number): Uint8Array | null {
  const bytes = new Uint8Array(length);
  const count = withMemory(tid, "r", (fd) => readSync(fd, bytes, 0, length, address));
  return count === null ? null : bytes.subarray(0, count);
}

/** Writes into a thread's memory. @returns whether all of it was written */
export function writeMemory(tid: number, address: number, bytes: Uint8Array): boolean {
  const write = (fd: number) => writeSync(fd, bytes, 0, bytes.length, address);
  return withMemory(tid, "r+", write) === bytes.length;
}

function withMemory(tid: number, mode: "r" | "r+", use: (fd: number) => number): number | null {
  let fd: number | null = null;
  try {
    fd = openSync(`/proc/${tid}/mem`, mode);
    return use(fd);
  } catch {
    return null;
  } finally {
    if (fd !== null) closeSync(fd);
  }
}

/** All process ids that exist now. */
export function allProcesses(): number[] {
  return namesIn("/proc").filter((name) => /^\d+$/.test(name)).map(Number);
}

/** One variable of the environment that `pid` was started with. */
export function environmentValue(pid: number, name: string): string | null {
  return field(`${pid}/environ`, new RegExp(`(?:^|\\0)${name}=([^\\0]*)`));
}

/** Soft and hard limit on open files of another process. */
export function fileLimitOf(pid: number): [soft: number, hard: number] | null {
  const match = /^Max open files\s+(\d+)\s+(\d+)/m.exec(readText(`/proc/${pid}/limits`) ?? "");
  return match ? [Number(match[1]), Number(match[2])] : null;
}

/** Whether this process, or another thread, has capability number `bit` in its effective set. capabilities(7) */
export function hasCapability(bit: number, tid: number | "self" = "self"): boolean {
  return hasBit(tid, /^CapEff:\s+([0-9a-f]+)$/m, bit);
}

export function hasBit(tid: number | "self", ofStatus: RegExp, bit: number): boolean {
  const mask = field(`${tid}/status`, ofStatus) ?? "0";
  return (BigInt(`0x${mask}`) >> BigInt(bit) & 1n) === 1n;
}

/** Inode of a socket of this process, the low 32 bits as inet_diag has it; 0 = not a socket. */
export function ownSocketInode(fd: number): number {
  const inode = /^socket:\[(\d+)\]$/.exec(descriptorTarget("self", fd) ?? "")?.[1];
  return Number(inode ?? 0) >>> 0;
}

/** The words that a process was executed with. */
export function commandLineOf(pid: number | "self"): string[] {
  try {
    return decodeBytes(readFileSync(`/proc/${pid}/cmdline`)).split("\0").slice(0, -1);
  } catch {
    return [];
  }
}

export function workingDirectoryOf(pid: number): string | null {
  return linkTarget(`/proc/${pid}/cwd`);
}

/** @param tid process or thread @returns whether it has the same namespace as this process; false if we may not look */
export function sharesNamespace(tid: number, kind: "pid"): boolean {
  return linkTarget(`/proc/${tid}/ns/${kind}`) === ownNamespace(kind);
}

/** A namespace of this process, by the name that all processes see: "net:[4026531840]". */
export function ownNamespace(kind: "net" | "pid" | "mnt" | "user"): string {
  return readlinkSync(`/proc/self/ns/${kind}`);
}

/** A kernel setting, e.g. "net/core/somaxconn". */
export function sysctl(path: string): string | null {
  return readText(`/proc/sys/${path}`)?.trim() ?? null;
}
