/** The regular files that a process has open or mapped, from /proc: proc(5). Nothing of it is an error where we may not look. */
import { lstatSync, readlinkSync, type Stats, statSync } from "node:fs";
import { C } from "../libc/constants.ts";
import { descriptorFlags, readText } from "./proc.ts";

export interface OpenFile {
  readonly pid: number;
  readonly descriptor: number;
  /** The path as the process sees it. */
  readonly path: string;
  /** Device and inode: what tells whether two processes have the same file. */
  readonly key: string;
  readonly ino: number;
  readonly size: number;
  readonly isWritable: boolean;
}

/**
 * Files are opened at the start, and have low numbers; connections come later, and may be ten thousands. So only this many
 * descriptors of a process are looked at, from the lowest on.
 */
const MOST_DESCRIPTORS = 512;
/**
 * Longest run of closed descriptors that is looked over: some servers close what they have inherited by moving their
 * own descriptors up.
 */
const LONGEST_GAP = 64;
const OWNER_MAY_WRITE = 0o200;

/** The open files of a process, without those that have no name any more. */
export function openFiles(pid: number): OpenFile[] {
  return linksOf(pid).flatMap(({ descriptor, link, isWritable }) => {
    try {
      const path = readlinkSync(link);
      const found = { pid, descriptor, path, isWritable };
      return path.startsWith("/") ? named(statSync(link), found) : [];
    } catch {
      return []; // Closed meanwhile.
    }
  });
}

export function filesOpenForWriting(pid: number): OpenFile[] {
  return openFiles(pid).filter(({ isWritable }) => isWritable);
}

/** A regular file that has a name. */
function named(stat: Stats, of: Omit<OpenFile, "key" | "ino" | "size">): OpenFile[] {
  if (!stat.isFile() || stat.nlink === 0) return [];
  return [{ ...of, key: `${stat.dev}:${stat.ino}`, ino: stat.ino, size: stat.size }];
}

/** Whether a file is opened to append: what several processes write there stays. */
export function isOnlyAppendedTo({ pid, descriptor }: OpenFile): boolean {
  return descriptor >= 0 && ((descriptorFlags(pid, descriptor) ?? 0) & C.O_APPEND) !== 0;
}

/** @returns the path by which `pid` has opened a file or directory; null: it has none of this inode open */
export function pathOfInode(pid: number, ino: number): string | null {
  for (const { link } of linksOf(pid)) {
    try {
      const path = readlinkSync(link);
      if (path.startsWith("/") && statSync(link).ino === ino) return path;
    } catch {
      // The descriptor was closed meanwhile.
    }
  }
  return null;
}

interface DescriptorLink {
  readonly descriptor: number;
  readonly link: string;
  readonly isWritable: boolean;
}

/** Descriptors, looked at by number, for a list of all would take long where there are many. */
function linksOf(pid: number): DescriptorLink[] {
  const found: DescriptorLink[] = [];
  let missing = 0;
  for (let descriptor = 0; descriptor < MOST_DESCRIPTORS && missing < LONGEST_GAP; descriptor++) {
    const link = `/proc/${pid}/fd/${descriptor}`;
    const stat = linkStat(link);
    if (stat === undefined) missing++;
    else {
      missing = 0;
      // The mode of the link is that of the descriptor, not of the file.
      found.push({ descriptor, link, isWritable: (stat.mode & OWNER_MAY_WRITE) !== 0 });
    }
  }
  return found;
}

function linkStat(link: string): Stats | undefined {
  try {
    return lstatSync(link, { throwIfNoEntry: false });
  } catch {
    return undefined; // We may not look.
  }
}

/** Files of which `pid` has a part in its memory that others see, and that it may write to. */
export function writableMappings(pid: number): OpenFile[] {
  const lines = (readText(`/proc/${pid}/maps`) ?? "").matchAll(/^[0-9a-f-]+ .w.s .*?(\/.*)$/gm);
  const paths = new Set([...lines].map(([, path = ""]) => path));
  return [...paths].flatMap((path) => {
    try {
      const mapped = { pid, descriptor: -1, path, isWritable: true };
      return named(statSync(`/proc/${pid}/root${path}`), mapped);
    } catch {
      return []; // Removed; the kernel adds " (deleted)" to its name then.
    }
  });
}

/** `lock:` lines of a descriptor: the locks that its process or its open file description holds. */
export function locksHeldBy({ pid, descriptor }: Pick<OpenFile, "pid" | "descriptor">): string[] {
  const text = readText(`/proc/${pid}/fdinfo/${descriptor}`) ?? "";
  return [...text.matchAll(/^lock:\s*(.*)$/gm)].map(([, line = ""]) => line);
}
