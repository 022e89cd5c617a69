/** How two processes are related, from /proc: proc(5). */
import { statSync } from "node:fs";
import { processStat } from "./proc.ts";

/** Whether `ancestor` is among the parents of `pid`. */
export function isBelow(pid: number, ancestor: number): boolean {
  const seen = new Set<number>();
  for (let above = processStat(pid)?.parent; above && !seen.has(above);) {
    if (above === ancestor) return true;
    seen.add(above);
    above = processStat(above)?.parent;
  }
  return false;
}

/** Device and inode of the file that `pid` executes, also of one that was removed; null when we may not look. */
export function programOf(pid: number): string | null {
  try {
    const { dev, ino } = statSync(`/proc/${pid}/exe`, { bigint: true });
    return `${dev} ${ino}`;
  } catch {
    return null;
  }
}
