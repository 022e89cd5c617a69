/**
 * A directory that is held open, and what is done to names in it: renameat2(2), unlinkat(2), and so on. It stays the same
 * directory when it is renamed, and for a server in another mount namespace or behind chroot(2).
 */
import { accessSync, constants, lstatSync, readdirSync, statSync } from "node:fs";
import { SystemCallError } from "../error.ts";
import { Fd } from "../fd.ts";
import { C } from "../libc/constants.ts";
import { cString, type Libc, struct } from "../libc/libc.ts";
import { P, type PathCalls, pathCallsOf } from "../libc/path_calls.ts";
import { linkTarget } from "../process/proc.ts";

/** sizeof(struct open_how). */
const OPEN_HOW_SIZE = 24;
const TYPE = 0o170000n;
const SOCKET = 0o140000n;
const SET_GROUP_ID = 0o2000n;

/** What lstat(2) says about a name. */
interface NodeStat {
  /** Device and inode: what tells whether two names are of one node. */
  readonly key: string;
  readonly isSocket: boolean;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

export class Directory {
  readonly #calls: PathCalls;

  /** Takes the descriptor over. */
  constructor(readonly libc: Libc, readonly fd: Fd) {
    this.#calls = pathCallsOf(libc.runtime.arch);
  }

  /**
   * @param key what it must be: another directory may have taken its place
   * @throws {SystemCallError}
   */
  static open(libc: Libc, path: string, key: string | null = null): Directory {
    const text = cString(`${path}/.`);
    const number = libc.retry(() => libc.c.open(text, C.O_PATH | C.O_CLOEXEC, 0));
    const directory = new Directory(libc, Fd.of(libc, number, "open", path));
    if (key === null || directory.key === key) return directory;
    directory.close();
    throw new SystemCallError("open", C.ENOENT, `${path}, which is another directory now`);
  }

  /** Device and inode. */
  get key(): string {
    return keyOf(statSync(this.#self, { bigint: true }));
  }

  /** Its path without links, as this process sees it. */
  get path(): string {
    return linkTarget(this.#self) ?? "?";
  }

  /** Names of everything in it, as far as they are text; empty if we may not look. */
  get names(): string[] {
    try {
      return readdirSync(this.#self);
    } catch {
      return [];
    }
  }

  /** Whether this user can make and rename nodes here. access(2) */
  get isWritable(): boolean {
    try {
      accessSync(`${this.#self}/.`, constants.W_OK | constants.X_OK);
      return true;
    } catch {
      return false;
    }
  }

  /** When it was made, if only its owner may use it; null: others may, or the file system does not say. */
  get privateSinceMs(): number | null {
    const { mode, birthtimeMs } = statSync(this.#self);
    return (mode & 0o077) === 0 && birthtimeMs > 0 ? birthtimeMs : null;
  }

  /** Whether a new node gets the group of the directory. */
  get givesGroup(): boolean {
    return (statSync(this.#self, { bigint: true }).mode & SET_GROUP_ID) !== 0n;
  }

  get #self(): string {
    return `/proc/self/fd/${this.fd.number}`;
  }

  /** A path to `name` that only this process can use, whatever has become of the directory's own path. */
  pathTo(name: string): string {
    return `${this.#self}/${name}`;
  }

  /** @returns null: there is nothing of that name, or we may not look */
  stat(name: string): NodeStat | null {
    try {
      const stat = lstatSync(this.pathTo(name), { bigint: true });
      return {
        key: keyOf(stat),
        isSocket: (stat.mode & TYPE) === SOCKET,
        mode: Number(stat.mode & 0o7777n),
        uid: Number(stat.uid),
        gid: Number(stat.gid),
      };
    } catch {
      return null;
    }
  }

  /**
   * Puts `name` in place of what is at `target`: clients find one or the other, and never none.
   * @throws {SystemCallError}
   */
  rename(name: string, target: string): void {
    this.#check(this.#rename(name, target, 0), "rename", target);
  }

  /**
   * Puts `name` in place of what is at `target`, which is at `name` then: in one step, so that it has a name to come
   * back by.
   * @returns false: there was nothing at `target`, or the file system cannot exchange; it is replaced then
   * @throws {SystemCallError}
   */
  exchange(name: string, target: string): boolean {
    if (this.#rename(name, target, P.RENAME_EXCHANGE) === 0) return true;
    const { errno } = this.libc;
    if (errno !== C.ENOENT && errno !== C.EINVAL && errno !== C.ENOSYS) {
      throw new SystemCallError("rename", errno, `${this.path}/${target}`);
    }
    this.rename(name, target);
    return false;
  }

  #rename(name: string, target: string, flags: number): number {
    const { libc, fd: { number: at } } = this;
    const [from, to] = [cString(name), cString(target)];
    const [fromAt, toAt] = [libc.addressOf(from), libc.addressOf(to)];
    return libc.c.syscall(this.#calls.SYS_renameat2, at, fromAt, at, toAt, flags);
  }

  /** @throws {SystemCallError} */
  remove(name: string): void {
    this.#check(this.#syscall(this.#calls.SYS_unlinkat, name), "unlink", name);
  }

  /** @throws {SystemCallError} */
  changeMode(name: string, mode: number): void {
    this.#check(this.#syscall(this.#calls.SYS_fchmodat, name, mode), "chmod", name);
  }

  /** -1 leaves an id as it is. @throws {SystemCallError} */
  changeOwner(name: string, uid: number, gid: number): void {
    const call = this.#calls.SYS_fchownat;
    this.#check(this.#syscall(call, name, uid, gid, P.AT_SYMLINK_NOFOLLOW), "chown", name);
  }

  #syscall(call: number, name: string, a = 0, b = 0, c = 0): number {
    const { libc, fd } = this;
    const text = cString(name);
    return libc.c.syscall(call, fd.number, libc.addressOf(text), a, b, c);
  }

  close(): void {
    this.fd.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #check(result: number, call: string, name: string): void {
    if (result === 0) return;
    // errno is read before anything else is called.
    const { errno } = this.libc;
    throw new SystemCallError(call, errno, `${this.path}/${name}`);
  }
}

function keyOf({ dev, ino }: { readonly dev: bigint; readonly ino: bigint }): string {
  return `${dev}:${ino}`;
}

/** Runs `act` with another mask for the modes of new files. The mask is one of the whole process. umask(2) */
export function withUmask<T>(libc: Libc, mask: number, act: () => T): T {
  const { SYS_umask } = pathCallsOf(libc.runtime.arch);
  const before = libc.c.syscall(SYS_umask, mask, 0, 0, 0, 0);
  try {
    return act();
  } finally {
    libc.c.syscall(SYS_umask, before, 0, 0, 0, 0);
  }
}

/** openat2(2): `path` as a process finds it whose root directory `root` is. @throws {SystemCallError} */
export function openBelow(libc: Libc, root: Fd, path: string): number {
  const text = cString(path);
  const { bytes, view } = struct(OPEN_HOW_SIZE);
  view.setBigUint64(0, BigInt(C.O_PATH | C.O_CLOEXEC), true);
  view.setBigUint64(16, BigInt(P.RESOLVE_IN_ROOT), true);
  const { SYS_openat2 } = pathCallsOf(libc.runtime.arch);
  const [pathAt, howAt] = [libc.addressOf(text), libc.addressOf(bytes)];
  const result = libc.c.syscall(SYS_openat2, root.number, pathAt, howAt, OPEN_HOW_SIZE, 0);
  return libc.check(result, "openat2", path);
}
