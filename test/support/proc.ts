/**
 * What /proc says of processes, for assertions. Readers only, but for `killTree` and `stopForGood`.
 *
 * A process that is gone is never an error: readers answer null, 0 or an empty list for it.
 */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import process from "node:process";
import { waitUntil } from "./wait_until.ts";

export interface Listener {
  readonly family: 4 | 6;
  /** Dotted IPv4, or the 32 hex digits of /proc/net/tcp6. */
  readonly address: string;
  readonly port: number;
  readonly inode: number;
}

interface Stat {
  readonly state: string;
  readonly parent: number;
  readonly startTime: number;
}

function read(path: string): string | null {
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

/** /proc/PID/stat, proc_pid_stat(5): field 2 is in brackets and may hold anything, so count from its last bracket. */
function stat(pid: number): Stat | null {
  const text = read(`/proc/${pid}/stat`);
  if (text === null) return null;
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return {
    state: fields[0] ?? "?",
    parent: Number(fields[1]),
    startTime: Number(fields[19]),
  };
}

/** R, S, D, Z, T, ..., or null for a process that is gone. */
export function state(pid: number): string | null {
  return stat(pid)?.state ?? null;
}

/** Whether the process is there and is no zombie. */
export function alive(pid: number): boolean {
  const current = state(pid);
  return current !== null && current !== "Z" && current !== "X";
}

/** Clock ticks since boot; with the pid it identifies a process uniquely until the next boot. */
export function startTime(pid: number): number | null {
  return stat(pid)?.startTime ?? null;
}

export function commandLine(pid: number): string[] {
  const text = read(`/proc/${pid}/cmdline`) ?? "";
  return text.split("\0").slice(0, -1);
}

/** All descendants, parents before their children, zombies included. */
export function children(pid: number): number[] {
  const byParent = new Map<number, number[]>();
  for (const name of list("/proc")) {
    const child = Number(name);
    const parent = Number.isInteger(child) ? stat(child)?.parent : undefined;
    if (parent !== undefined) byParent.set(parent, [...byParent.get(parent) ?? [], child]);
  }
  const found: number[] = [];
  const queue = [pid];
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
    const own = byParent.get(next) ?? [];
    found.push(...own);
    queue.push(...own);
  }
  return found;
}

/** Descriptor to target, such as `socket:[12345]` or a path. */
export function openFds(pid: number): Map<number, string> {
  const targets = new Map<number, string>();
  for (const name of list(`/proc/${pid}/fd`)) {
    try {
      targets.set(Number(name), readlinkSync(`/proc/${pid}/fd/${name}`));
    } catch {
      // Closed since it was listed.
    }
  }
  return targets;
}

/** Listening TCP sockets in this process's network namespace; with `pid` in that one's, and only those it has open. */
export function listeners(pid?: number): Listener[] {
  const base = `/proc/${pid ?? "self"}/net`;
  const all = [...parseListeners(base, 4), ...parseListeners(base, 6)];
  if (pid === undefined) return all;
  const open = new Set(openFds(pid).values());
  return all.filter((listener) => open.has(`socket:[${listener.inode}]`));
}

const TCP_LISTEN = "0A"; // <net/tcp_states.h>, as /proc/net/tcp prints it

function parseListeners(base: string, family: 4 | 6): Listener[] {
  const found: Listener[] = [];
  for (
    const line of (read(`${base}/${family === 4 ? "tcp" : "tcp6"}`) ?? "").split("\n").slice(1)
  ) {
    const fields = line.trim().split(/\s+/);
    if (fields[3] !== TCP_LISTEN) continue;
    const [address, port] = (fields[1] ?? ":").split(":");
    found.push({
      family,
      address: family === 4 ? dotted(address ?? "") : address ?? "",
      port: parseInt(port ?? "", 16),
      inode: Number(fields[9]),
    });
  }
  return found;
}

/** The kernel prints the address as a 32-bit number of the machine's order: both of ours are little-endian. */
function dotted(hex: string): string {
  return (hex.match(/../g) ?? []).reverse().map((byte) => parseInt(byte, 16)).join(".");
}

/** Voluntary context switches of all threads so far: a process that sleeps through adds none. */
export function wakeups(pid: number): number {
  let sum = 0;
  for (const task of list(`/proc/${pid}/task`)) {
    const status = read(`/proc/${pid}/task/${task}/status`) ?? "";
    sum += Number(/^voluntary_ctxt_switches:\s*(\d+)/m.exec(status)?.[1] ?? 0);
  }
  return sum;
}

/** Memory that no other process shares, in bytes; null when the process is gone. */
export function privateMemoryBytes(pid: number): number | null {
  const text = read(`/proc/${pid}/smaps_rollup`);
  if (text === null || text === "") return null;
  let kibibytes = 0;
  for (const match of text.matchAll(/^Private_(?:Clean|Dirty|Hugetlb):\s*(\d+) kB/gm)) {
    kibibytes += Number(match[1]);
  }
  return kibibytes * 1024;
}

/**
 * Kills a process that the test started, and its descendants, by their pids. Returns the pids that were alive.
 *
 * Each is stopped before its children are listed, so that a supervisor cannot start another one meanwhile.
 */
export function killTree(pid: number): number[] {
  const tree: number[] = [];
  for (const queue = [pid]; queue.length > 0;) {
    const next = queue.shift() as number;
    if (tree.includes(next) || !alive(next) || !send(next, "SIGSTOP")) continue;
    tree.push(next);
    queue.push(...children(next));
  }
  return tree.filter((each) => send(each, "SIGKILL"));
}

function send(pid: number, signal: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, signal);
  } catch {
    return false; // ended in between
  }
}

/** Until all its threads have stopped: one that waits in accept(2) or recvfrom(2) still takes what comes before that. */
export async function stopForGood(pid: number): Promise<void> {
  process.kill(pid, "SIGSTOP");
  await waitUntil(() => list(`/proc/${pid}/task`).every((id) => state(Number(id)) === "T"), {
    what: `process ${pid} has stopped`,
  });
}
