/** Reads files as a process sees them: relative to its directory, below its root. */
import { readFileSync } from "node:fs";
import { statOf } from "./path.ts";

const MOST_BYTES = 64 * 1024 * 1024;

/** @returns a reader of regular files; it gives null for all else, which might never end */
export function readerOf(pid: number): (path: string) => string | null {
  return (path) => {
    if (!path.startsWith("/")) return readRegular(`/proc/${pid}/cwd/${path}`);
    // Without the right to look into the process, its root is taken to be baton's own.
    return readRegular(`/proc/${pid}/root${path}`) ?? readRegular(path);
  };
}

function readRegular(path: string): string | null {
  try {
    const stat = statOf(path);
    if (stat === null || !stat.isFile() || stat.size > MOST_BYTES) return null;
    return readFileSync(path, "utf8");
  } catch {
    return null;
  }
}
