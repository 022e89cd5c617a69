/** A path as another thread finds it: from its working directory, a descriptor of it, or its root directory. */
import { decodeBytes, isText } from "../bytes.ts";
import { SystemCallError } from "../error.ts";
import { Fd } from "../fd.ts";
import { C } from "../libc/constants.ts";
import type { Libc } from "../libc/libc.ts";
import type { Descriptors } from "../network/passed_descriptors.ts";
import { readMemory } from "../process/proc.ts";
import { Directory, openBelow } from "./directory.ts";

/** Bytes of the longest path, with its NUL: <linux/limits.h> */
const PATH_MAX = 4096;
const SHORT = 256;

interface ThreadPath {
  /** The directory part, to be closed. */
  readonly directory: Directory;
  /** The last component. */
  readonly name: string;
}

type Openers = { readonly libc: Libc; readonly descriptors: Descriptors };

/**
 * @param dirfd AT_FDCWD, or a descriptor of the process, for a relative path
 * @returns null: there is no such directory, or the path does not end in a name, which is text
 */
export function resolveForThread(
  { libc, descriptors }: Openers,
  tid: number,
  dirfd: number,
  path: string,
): ThreadPath | null {
  const slash = path.lastIndexOf("/");
  const name = path.slice(slash + 1);
  if (name === "" || name === "." || name === ".." || !isText(name)) return null;
  const parent = `${path.slice(0, slash + 1)}.`;
  try {
    const fd = path.startsWith("/")
      ? openInRoot({ libc, descriptors }, tid, parent)
      : descriptors.open(
        dirfd === C.AT_FDCWD ? `/proc/${tid}/cwd/${parent}` : `/proc/${tid}/fd/${dirfd}/${parent}`,
        C.O_PATH,
      );
    return { directory: new Directory(libc, fd), name };
  } catch (error) {
    if (!(error instanceof SystemCallError)) throw error;
    return null;
  }
}

/** Links to absolute paths lead into the thread's root directory, too. */
function openInRoot({ libc, descriptors }: Openers, tid: number, path: string): Fd {
  using root = descriptors.open(`/proc/${tid}/root`, C.O_PATH);
  try {
    return new Fd(libc, openBelow(libc, root, path));
  } catch (error) {
    // openat2 is refused by a container's filter that does not know it (before Linux 5.6, or of that time).
    const isUnknown = error instanceof SystemCallError &&
      (error.errno === C.ENOSYS || error.errno === C.EPERM);
    if (!isUnknown) throw error;
    return descriptors.open(`/proc/${tid}/root${path}`, C.O_PATH);
  }
}

/** @returns the text at `address` of a thread's memory, to its NUL; null: it cannot be read, or is no path */
export function readPath(tid: number, address: number): string | null {
  for (const length of [SHORT, PATH_MAX]) {
    const bytes = readMemory(tid, address, length);
    if (bytes === null) return null;
    const end = bytes.indexOf(0);
    if (end >= 0) return decodeBytes(bytes.subarray(0, end));
    if (bytes.length < length) return null;
  }
  return null;
}
