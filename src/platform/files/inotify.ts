/** Reports changes of files and directories: inotify(7). The caller checks what has changed. */
import { Fd } from "../fd.ts";
import { C } from "../libc/constants.ts";
import { cString, type Libc } from "../libc/libc.ts";

/** O_NONBLOCK and O_CLOEXEC under the names of inotify_init1(2). */
const FLAGS = C.O_NONBLOCK | C.O_CLOEXEC;
const CHANGES = C.IN_ATTRIB | C.IN_CLOSE_WRITE | C.IN_MOVED_FROM | C.IN_MOVED_TO | C.IN_CREATE |
  C.IN_DELETE | C.IN_DELETE_SELF | C.IN_MOVE_SELF;
/** The last name of a file is removed (IN_ATTRIB), even while it is open; a writer closes it. */
const OF_FILE = C.IN_ATTRIB | C.IN_CLOSE_WRITE | C.IN_DELETE_SELF | C.IN_MOVE_SELF;
/** For a directory, the bits of OF_FILE would also report its entries. */
const OF_DIRECTORY = C.IN_DELETE_SELF | C.IN_MOVE_SELF;
const ARRIVALS = OF_DIRECTORY | C.IN_CREATE | C.IN_MOVED_TO | C.IN_ATTRIB;

/** Which change of a path to report. */
type Awaited =
  /** A file or socket leaves its place. */
  | "file leaves"
  /** A directory, or a symbolic link to one, leaves its place; what happens in it does not matter. */
  | "directory leaves"
  /** An entry appears in a directory, or its permissions change. */
  | "arrivals";

const MASKS: Readonly<Record<Awaited, number>> = {
  "file leaves": OF_FILE | C.IN_DONT_FOLLOW,
  "directory leaves": OF_DIRECTORY | C.IN_DONT_FOLLOW,
  arrivals: ARRIVALS,
};

export class Inotify {
  constructor(readonly libc: Libc) {}

  /** @returns readable whenever something has changed in a directory that was added */
  open(): Fd {
    return new Fd(
      this.libc,
      this.libc.check(this.libc.c.inotify_init1(FLAGS), "inotify_init1", ""),
    );
  }

  /** Adding a directory twice is one watch. @returns false when it is not there, or may not be seen */
  add(inotify: Fd, path: string): boolean {
    return this.#add(inotify, path, CHANGES);
  }

  /** Watches for one thing only. A later call for the same path replaces this one. */
  await(inotify: Fd, path: string, what: Awaited): boolean {
    return this.#add(inotify, path, MASKS[what]);
  }

  #add(inotify: Fd, path: string, mask: number): boolean {
    const result = this.libc.c.inotify_add_watch(inotify.number, cString(path), mask);
    if (result >= 0) return true;
    const { errno } = this.libc;
    if (errno === C.ENOENT || errno === C.EACCES || errno === C.ENOTDIR) return false;
    this.libc.check(result, "inotify_add_watch", path);
    return false;
  }
}
