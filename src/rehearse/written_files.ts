/** What was written in a rehearsal, read from the layers that hold it, and which of two lists of that differ, how. */
import { firstBytes } from "../platform/files/first_bytes.ts";
import { isHarmlessPath } from "../inspect/harmless.ts";
import { filesBelow } from "./tree.ts";

/** Bytes of a file's beginning that are read: enough to tell what was appended from what was rewritten. */
const HEAD_SIZE = 16 * 1024;
const DEPTH = 24;
const LOG_NAME = /\.(log|err|out)(\.\d+)?$/;
const PID = /^\s*(\d+)\s*(\n|$)/;

export interface WrittenFile {
  readonly inode: number;
  readonly size: number;
  readonly changedMs: number;
  readonly head: string;
}

/** Regular files by their paths. */
export type Writings = ReadonlyMap<string, WrittenFile>;

/** @param scratch path under which the layers are found */
export function writingsIn(
  scratch: string,
  layers: readonly { readonly path: string; readonly upper: string }[],
): Writings {
  const found = new Map<string, WrittenFile>();
  for (const { path: top, upper } of layers) {
    const root = `${scratch}/${upper}`;
    for (const { path, stat } of filesBelow(root, DEPTH)) {
      if (!stat.isFile()) continue;
      found.set(`${top === "/" ? "" : top}${path.slice(root.length)}`, {
        inode: stat.ino,
        size: stat.size,
        changedMs: stat.mtimeMs,
        head: new TextDecoder("latin1").decode(firstBytes(path, HEAD_SIZE) ?? undefined),
      });
    }
  }
  return found;
}

/** @returns the paths of files that exist in both, and have other content than more of the same */
function rewrittenBetween(before: Writings, after: Writings): string[] {
  return [...after].filter(([path, file]) => {
    const earlier = before.get(path);
    if (earlier === undefined) return file.size > 0;
    const isSame = earlier.inode === file.inode && earlier.changedMs === file.changedMs &&
      earlier.size === file.size;
    return !isSame && !isAppended(earlier, file);
  }).map(([path]) => path);
}

/**
 * @param writings before the second copy, between, and when the first one has ended
 * @param known paths that are looked at otherwise
 * @returns what the first copy wrote when the second one had started, and that again later: not logs and caches
 */
export function rewrittenByBoth(
  [before, between, after]: readonly [Writings, Writings, Writings],
  known: readonly string[],
): string[] {
  const bySecond = new Set(rewrittenBetween(between, after));
  return rewrittenBetween(before, between).filter((path) =>
    bySecond.has(path) && !known.includes(path) && !LOG_NAME.test(path) &&
    !isHarmlessPath(path) && !isBareNumber(after.get(path)!)
  );
}

function isAppended(before: WrittenFile, after: WrittenFile): boolean {
  return before.inode === after.inode && after.size > before.size &&
    after.head.startsWith(before.head.slice(0, before.size));
}

/** The process that a pid file names; null: it is none. */
export function pidIn({ head, size }: Pick<WrittenFile, "head" | "size">): number | null {
  const match = size > HEAD_SIZE ? null : PID.exec(head);
  return match === null ? null : Number(match[1]);
}

/** Whether a file holds nothing but a number: pid files proper, and counters, which no copy reads as its state. */
function isBareNumber({ head }: Pick<WrittenFile, "head">): boolean {
  return /^\s*\d*\s*$/.test(head);
}
