/** Changes in directories, told by the kernel: inotify(7). What has changed is for the caller to look at. */
import { Fd } from "./fd.ts";
import { C } from "./libc/constants.ts";
import { cString } from "./libc/libc.ts";
import type { Libc } from "./libc/libc.ts";

/** O_NONBLOCK and O_CLOEXEC under the names of inotify_init1(2). */
const FLAGS = C.O_NONBLOCK | C.O_CLOEXEC;
const CHANGES = C.IN_ATTRIB | C.IN_CLOSE_WRITE | C.IN_MOVED_FROM | C.IN_MOVED_TO | C.IN_CREATE |
  C.IN_DELETE | C.IN_DELETE_SELF | C.IN_MOVE_SELF;

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
    const result = this.libc.c.inotify_add_watch(inotify.number, cString(path), CHANGES);
    if (result >= 0) return true;
    const { errno } = this.libc;
    if (errno === C.ENOENT || errno === C.EACCES || errno === C.ENOTDIR) return false;
    this.libc.check(result, "inotify_add_watch", path);
    return false;
  }
}
