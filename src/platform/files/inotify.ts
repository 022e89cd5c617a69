/** Reports changes of files and directories: inotify(7). The caller checks what has changed. */
import { Fd } from "../fd.ts";
import { C } from "../libc/constants.ts";
import { cString, type Libc } from "../libc/libc.ts";

/** O_NONBLOCK and O_CLOEXEC under the names of inotify_init1(2). */
const FLAGS = C.O_NONBLOCK | C.O_CLOEXEC;
/** What happens to a file: its last name is removed (IN_ATTRIB), even while it is open; a writer closes it. */
const OF_FILE = C.IN_ATTRIB | C.IN_CLOSE_WRITE | C.IN_DELETE_SELF | C.IN_MOVE_SELF;
/** What happens to a directory: with the bits of OF_FILE its entries would be reported, too. */
const OF_DIRECTORY = C.IN_DELETE_SELF | C.IN_MOVE_SELF;

const INVISIBLE: ReadonlySet<number> = new Set([C.ENOENT, C.EACCES, C.ENOTDIR]);

const MASKS = {
  /** Any change, of a file or directory or an entry in it. */
  any: C.IN_ATTRIB | C.IN_CLOSE_WRITE | C.IN_MOVED_FROM | C.IN_MOVED_TO | C.IN_CREATE |
    C.IN_DELETE | C.IN_DELETE_SELF | C.IN_MOVE_SELF,
  /** A file or socket leaves its place. */
  "file leaves": OF_FILE | C.IN_DONT_FOLLOW,
  /** A directory, or a symbolic link to one, leaves its place; what happens in it does not matter. */
  "directory leaves": OF_DIRECTORY | C.IN_DONT_FOLLOW,
  /** An entry appears in a directory, or its permissions change. */
  arrivals: OF_DIRECTORY | C.IN_CREATE | C.IN_MOVED_TO | C.IN_ATTRIB,
} as const;

export class Inotify {
  constructor(readonly libc: Libc) {}

  /** @returns readable whenever a change has come that `add` was called for */
  open(): Fd {
    return Fd.of(this.libc, this.libc.c.inotify_init1(FLAGS), "inotify_init1", "an instance");
  }

  /**
   * Watches a path. A later call for the same path replaces this one. Nothing is watched where it is missing or may not
   * be seen.
   */
  add(inotify: Fd, path: string, change: keyof typeof MASKS): void {
    const result = this.libc.c.inotify_add_watch(inotify.number, cString(path), MASKS[change]);
    if (result < 0 && INVISIBLE.has(this.libc.errno)) return;
    this.libc.check(result, "inotify_add_watch", path);
  }
}
