/**
 * Reads about processes from /proc: proc(5). For a process that has just exited every function returns null or an
 * empty list, because that is never an error of the caller.
 */
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

function readText(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return null;
  }
}

function list(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}

/** Fields of /proc/PID/stat that baton uses. */
export interface ProcessStat {
  readonly state: string;
  readonly parent: number;
  readonly group: number;
  readonly session: number;
  /** Controlling terminal, 0 = none. */
  readonly terminal: number;
  /** Clock ticks after boot: with the pid it names a process uniquely. */
  readonly startTime: number;
}

export function processStat(pid: number | string): ProcessStat | null {
  const text = readText(`/proc/${pid}/stat`);
  if (text === null) return null;
  // The command name in parentheses may itself hold spaces and parentheses.
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return {
    state: fields[0] ?? "?",
    parent: Number(fields[1]),
    group: Number(fields[2]),
    session: Number(fields[3]),
    terminal: Number(fields[4]),
    startTime: Number(fields[19]),
  };
}

/**
 * Whether `pid` runs. Its first thread may be a zombie while others still run.
 *
 * @param startTime which process of that number is meant
 * @returns false also for a zombie
 */
export function isRunning(pid: number, startTime?: number): boolean {
  const stat = processStat(pid);
  if (stat === null || startTime !== undefined && stat.startTime !== startTime) return false;
  return isLive(stat) ||
    list(`/proc/${pid}/task`).some((tid) => isLive(processStat(`${pid}/task/${tid}`)));
}

function isLive(stat: ProcessStat | null): boolean {
  return stat !== null && stat.state !== "Z" && stat.state !== "X";
}

/** @returns the process that thread `tid` belongs to */
export function processOfThread(tid: number): number | null {
  const match = /^Tgid:\s+(\d+)$/m.exec(readText(`/proc/${tid}/status`) ?? "");
  return match ? Number(match[1]) : null;
}

/** Effective user id of a process. */
export function userOf(pid: number): number | null {
  const match = /^Uid:\s+\d+\s+(\d+)/m.exec(readText(`/proc/${pid}/status`) ?? "");
  return match ? Number(match[1]) : null;
}

/** Command name, at most 15 bytes. */
export function processName(pid: number): string | null {
  return readText(`/proc/${pid}/comm`)?.trimEnd() ?? null;
}

/** Direct children of all threads of `pid`. */
export function childrenOf(pid: number): number[] {
  return list(`/proc/${pid}/task`).flatMap((tid) =>
    (readText(`/proc/${pid}/task/${tid}/children`) ?? "").split(" ").filter(Boolean).map(Number)
  );
}

/** `pid` and all its descendants. */
export function processTree(pid: number): number[] {
  const found: number[] = [];
  const pending = [pid];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    if (found.includes(next)) continue;
    found.push(next);
    pending.push(...childrenOf(next));
  }
  return found;
}

/** Inodes of the sockets that `pid` has open. Empty when we may not look (another user's process). */
export function socketInodesOf(pid: number): Set<number> {
  return new Set(socketDescriptorsOf(pid).keys());
}

/** The same, each with one of its descriptors. */
export function socketDescriptorsOf(pid: number): Map<number, number> {
  const found = new Map<number, number>();
  for (const path of descriptorsOf(pid)) {
    try {
      const match = /^socket:\[(\d+)\]$/.exec(readlinkSync(path));
      // inet_diag has the low 32 bits only.
      if (match) found.set(Number(match[1]) >>> 0, Number(path.split("/").at(-1)));
    } catch {
      // Closed meanwhile.
    }
  }
  return found;
}

/** Paths of the descriptors of `pid`. When its first thread has ended, only the others still list them. */
function descriptorsOf(pid: number): string[] {
  const all = (folder: string) => list(folder).map((fd) => `${folder}/${fd}`);
  const found = all(`/proc/${pid}/fd`);
  if (found.length > 0) return found;
  const others = list(`/proc/${pid}/task`).map((tid) => all(`/proc/${pid}/task/${tid}/fd`));
  return others.find(({ length }) => length > 0) ?? [];
}

/** False when we may not see what `pid` has open (another user's process). */
export function canSeeDescriptors(pid: number): boolean {
  try {
    readdirSync(`/proc/${pid}/fd`);
    return true;
  } catch (error) {
    return (error as { code?: string }).code === "ENOENT";
  }
}

/** What descriptor `fd` of `pid` is: "socket:[123]", "pipe:[45]", a path. */
export function descriptorTarget(pid: number, fd: number): string | null {
  try {
    return readlinkSync(`/proc/${pid}/fd/${fd}`);
  } catch {
    return null;
  }
}

/** open(2) flags of a descriptor, O_CLOEXEC included. */
export function descriptorFlags(pid: number, fd: number): number | null {
  const match = /^flags:\s+([0-7]+)$/m.exec(readText(`/proc/${pid}/fdinfo/${fd}`) ?? "");
  return match ? parseInt(match[1]!, 8) : null;
}

/** Socket inodes that some epoll instance of `pid` watches (`tfd` lines of fdinfo, kernel 3.8+). */
export function epollWatchedInodes(pid: number): Set<number> {
  const inodes = new Set<number>();
  for (const fd of list(`/proc/${pid}/fdinfo`)) {
    const text = readText(`/proc/${pid}/fdinfo/${fd}`) ?? "";
    for (const match of text.matchAll(/^tfd:.*\bino:([0-9a-f]+)/gm)) {
      inodes.add(parseInt(match[1]!, 16) >>> 0);
    }
  }
  return inodes;
}

/** System calls that threads of `pid` are blocked in, with their arguments. */
export function blockedCalls(pid: number): { call: number; args: number[] }[] {
  return list(`/proc/${pid}/task`).flatMap((tid) => {
    const fields = (readText(`/proc/${pid}/task/${tid}/syscall`) ?? "").split(" ");
    const call = Number(fields[0]);
    if (!Number.isInteger(call) || fields.length < 7) return [];
    return [{ call, args: fields.slice(1, 7).map((field) => Number(field)) }];
  });
}

/** `length` bytes of a thread's memory at `address`, or null. */
export function readMemory(tid: number, address: number, length: number): Uint8Array | null {
  let fd: number;
  try {
    fd = openSync(`/proc/${tid}/mem`, "r");
  } catch {
    return null;
  }
  try {
    const bytes = new Uint8Array(length);
    const count = readSync(fd, bytes, 0, length, address);
    return bytes.subarray(0, count);
  } catch {
    return null;
  } finally {
    closeSync(fd);
  }
}

/** Writes into a thread's memory. @returns whether all of it was written */
export function writeMemory(tid: number, address: number, bytes: Uint8Array): boolean {
  let fd: number;
  try {
    fd = openSync(`/proc/${tid}/mem`, "r+");
  } catch {
    return false;
  }
  try {
    return writeSync(fd, bytes, 0, bytes.length, address) === bytes.length;
  } catch {
    return false;
  } finally {
    closeSync(fd);
  }
}

/** All process ids that exist now. */
export function allProcesses(): number[] {
  return list("/proc").filter((name) => /^\d+$/.test(name)).map(Number);
}

/** One variable of the environment that `pid` was started with. */
export function environmentValue(pid: number, name: string): string | null {
  const entry = (readText(`/proc/${pid}/environ`) ?? "").split("\0")
    .find((line) => line.startsWith(`${name}=`));
  return entry === undefined ? null : entry.slice(name.length + 1);
}

/** Soft and hard limit on open files of another process. */
export function fileLimitOf(pid: number): [soft: number, hard: number] | null {
  const match = /^Max open files\s+(\d+)\s+(\d+)/m.exec(readText(`/proc/${pid}/limits`) ?? "");
  return match ? [Number(match[1]), Number(match[2])] : null;
}

/** True when this process has capability number `bit` in its effective set. capabilities(7) */
export function hasCapability(bit: number): boolean {
  const match = /^CapEff:\s+([0-9a-f]+)$/m.exec(readText("/proc/self/status") ?? "");
  return match !== null && (BigInt(`0x${match[1]}`) >> BigInt(bit) & 1n) === 1n;
}

/** True when this process ignores `signal`: nohup(1), or a parent that did. */
export function ignoresSignal(signal: number): boolean {
  const match = /^SigIgn:\s+([0-9a-f]+)$/m.exec(readText("/proc/self/status") ?? "");
  return match !== null && (BigInt(`0x${match[1]}`) >> BigInt(signal - 1) & 1n) === 1n;
}

/** Inode number of a pipe or socket behind our own descriptor. */
export function ownDescriptorTarget(fd: number): string | null {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    return null;
  }
}

/** Inode of a socket of this process, the low 32 bits as inet_diag has it; 0 = not a socket. */
export function ownSocketInode(fd: number): number {
  const inode = /^socket:\[(\d+)\]$/.exec(ownDescriptorTarget(fd) ?? "")?.[1];
  return Number(inode ?? 0) >>> 0;
}

/** How many descriptors this process has open; its limit when it cannot even count them. */
export function ownDescriptorCount(): number {
  try {
    return readdirSync("/proc/self/fd").length;
  } catch {
    return Infinity;
  }
}

/** The words that this process was executed with. */
export function ownCommandLine(): string[] {
  try {
    return decodeBytes(readFileSync("/proc/self/cmdline")).split("\0").slice(0, -1);
  } catch {
    return [];
  }
}

/** A namespace of this process, by the name that all processes see: "net:[4026531840]". */
export function ownNamespace(kind: "net" | "pid" | "mnt"): string {
  return readlinkSync(`/proc/self/ns/${kind}`);
}

/** A kernel setting, e.g. "net/core/somaxconn". */
export function sysctl(path: string): string | null {
  return readText(`/proc/sys/${path}`)?.trim() ?? null;
}
