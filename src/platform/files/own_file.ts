/** The file that one of this process's standard descriptors leads to, as others write to it too. */
import { closeSync, fstatSync, openSync, readSync } from "node:fs";

/** Most bytes read: the last ones. */
const LONGEST = 64 * 1024;

export interface FilePlace {
  readonly descriptor: number;
  /** Tells files apart: two descriptors may lead to one. */
  readonly identity: string;
  readonly size: number;
}

/** @returns the present end of the file; null: `descriptor` leads to no regular file */
export function endOfFile(descriptor: number): FilePlace | null {
  try {
    const stat = fstatSync(descriptor);
    if (!stat.isFile()) return null;
    return { descriptor, identity: `${stat.dev}:${stat.ino}`, size: stat.size };
  } catch {
    return null;
  }
}

/** @returns what was written after `place`, as far as it may be read */
export function readSince({ descriptor, size }: FilePlace): string {
  let file: number | null = null;
  try {
    // Ours may be for writing only; and a position of our own disturbs no other.
    file = openSync(`/proc/self/fd/${descriptor}`, "r");
    const end = fstatSync(file).size;
    // A shorter file was emptied meanwhile.
    const from = Math.max(end < size ? 0 : size, end - LONGEST);
    const bytes = new Uint8Array(end - from);
    const count = readSync(file, bytes, 0, bytes.length, from);
    return new TextDecoder().decode(bytes.subarray(0, count));
  } catch {
    return "";
  } finally {
    if (file !== null) closeSync(file);
  }
}
