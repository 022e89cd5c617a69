/** What the processes of a contestant cost, as /proc has it. A process that is gone costs nothing. */
import { readdirSync, readFileSync } from "node:fs";
import { startTime } from "../../../test/support/proc.ts";

const TICKS_PER_SECOND = 100;
const MS_PER_SECOND = 1000;
const BYTES_PER_KIB = 1024;

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

function list(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}

/** The processes and all that descend from them. */
export function tree(roots: readonly number[]): number[] {
  const found = new Set<number>();
  const queue = [...roots];
  for (let pid = queue.shift(); pid !== undefined; pid = queue.shift()) {
    if (found.has(pid)) continue;
    found.add(pid);
    for (const task of list(`/proc/${pid}/task`)) {
      const words = read(`/proc/${pid}/task/${task}/children`).split(" ");
      queue.push(...words.filter((word) => word.trim() !== "").map(Number));
    }
  }
  return [...found];
}

/** Memory of all of them together: what several share is counted once (Pss of /proc/PID/smaps_rollup). */
export function memoryBytes(pids: readonly number[]): number {
  let kibibytes = 0;
  for (const pid of pids) {
    kibibytes += Number(/^Pss:\s*(\d+) kB/m.exec(read(`/proc/${pid}/smaps_rollup`))?.[1] ?? 0);
  }
  return kibibytes * BYTES_PER_KIB;
}

/** User and system time of the process itself. */
export function cpuMs(pid: number): number {
  const text = read(`/proc/${pid}/stat`);
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11] ?? 0) + Number(fields[12] ?? 0)) * (MS_PER_SECOND / TICKS_PER_SECOND);
}

/** Processes with this in their environment, zombies left out: they have none. */
export function withMarker(marker: string): number[] {
  return list("/proc").map(Number).filter((pid) =>
    Number.isInteger(pid) && read(`/proc/${pid}/environ`).includes(marker)
  );
}

/** The largest `memoryBytes` of the tree, looked at again and again until it is stopped. */
export class PeakMemory {
  peakBytes = 0;
  readonly #roots: () => readonly number[];
  readonly #seen = new Map<number, number>();
  #timer: ReturnType<typeof setTimeout> | null = null;

  /** @param everyMs between two looks, each of which costs the machine some milliseconds */
  constructor(roots: () => readonly number[], readonly everyMs: number) {
    this.#roots = roots;
    this.#look();
  }

  /** All processes that were seen, and when each was started. */
  stop(): ReadonlyMap<number, number> {
    if (this.#timer !== null) clearTimeout(this.#timer);
    return this.#seen;
  }

  #look(): void {
    const pids = tree(this.#roots());
    for (const pid of pids) this.#seen.set(pid, startTime(pid) ?? 0);
    this.peakBytes = Math.max(this.peakBytes, memoryBytes(pids));
    this.#timer = setTimeout(() => this.#look(), this.everyMs);
  }
}
