/** What the measurements read in /proc, again and again and without a pause where a moment counts. */

/** A busy wait must end, also when what it waits for never comes. */
const WATCH_DEADLINE_MS = 5_000;
const TICKS_PER_SECOND = 100;
const BYTES_PER_KIB = 1024;
export const BYTES_PER_MIB = 1024 * 1024;

/** The number behind a name in a file of /proc. */
export function field(path: string, name: string): number {
  const text = Deno.readTextFileSync(path);
  return Number(new RegExp(`^${name}:\\s*(\\d+)`, "m").exec(text)?.[1]);
}

export function residentBytes(pid: number): number {
  return field(`/proc/${pid}/status`, "VmRSS") * BYTES_PER_KIB;
}

/** Private, and not from a file. */
export function anonymousBytes(pid: number): number {
  return field(`/proc/${pid}/smaps_rollup`, "Anonymous") * BYTES_PER_KIB;
}

/** Voluntary context switches of each thread: one that sleeps through adds none. */
export function switches(pid: number): Map<string, number> {
  const tasks = [...Deno.readDirSync(`/proc/${pid}/task`)].map(({ name }) => name);
  const count = (task: string) =>
    field(`/proc/${pid}/task/${task}/status`, "voluntary_ctxt_switches");
  return new Map(tasks.map((task) => [task, count(task)]));
}

/** User and system time of a process, without its children. */
export function cpuSeconds(pid: number): number {
  const text = Deno.readTextFileSync(`/proc/${pid}/stat`);
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

export function directChildren(pid: number): number[] {
  const text = Deno.readTextFileSync(`/proc/${pid}/task/${pid}/children`);
  return text.trim().split(" ").filter((word) => word !== "").map(Number);
}

export function firstWord(pid: number): string {
  return Deno.readTextFileSync(`/proc/${pid}/cmdline`).split("\0")[0] ?? "";
}

/** Asks again and again, without a pause between. */
export function watch<T>(look: () => T | undefined | false): T {
  const deadline = performance.now() + WATCH_DEADLINE_MS;
  while (performance.now() < deadline) {
    const seen = look();
    if (seen !== undefined && seen !== false) return seen;
  }
  throw new Error(`Waited ${WATCH_DEADLINE_MS} ms in vain`);
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
