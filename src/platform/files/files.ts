/**
 * Access to files whose paths are any bytes (`bytes.ts`), which `node:fs` does not have on either runtime: Bun's takes
 * a Buffer but returns link targets and entries as text; Deno's takes and returns text only. Both accept the name of a
 * descriptor.
 */
import { decodeBytes, isText } from "../bytes.ts";
import type { Descriptors } from "../network/passed_descriptors.ts";
import { C } from "../libc/constants.ts";
import { cString, type Libc, struct } from "../libc/libc.ts";
import type { AtPath } from "./path.ts";

/** Bytes of the longest path, with its NUL: <linux/limits.h> */
const PATH_MAX = 4096;
const ENTRIES_SIZE = 32 * 1024;
/** struct linux_dirent64 of getdents64(2): d_reclen, and d_name to its NUL. */
const RECORD_LENGTH = 16;
const NAME = 19;

export class Files {
  constructor(readonly libc: Libc, readonly descriptors: Descriptors) {}

  /**
   * The `AtPath` for any bytes.
   * @throws {SystemCallError} when it does not exist or is not accessible
   */
  readonly at: AtPath = (path, look) => {
    if (isText(path)) return look(path);
    using fd = this.descriptors.open(path, C.O_PATH);
    return look(nameOf(fd.number));
  };

  /** access(2): whether we may execute what is at `path`. Deno's `accessSync` follows no links. */
  canExecute(path: string): boolean {
    return this.libc.c.access(cString(path), C.X_OK) === 0;
  }

  /** Where `path` leads to, without links. @throws {SystemCallError} when it does not exist */
  realPath(path: string): string {
    using fd = this.descriptors.open(path, C.O_PATH);
    return this.readLink(nameOf(fd.number)) ?? path;
  }

  /** Working directory as the kernel names it, without symlinks; "/" when it is unknown. */
  directory(): string {
    return this.readLink("/proc/self/cwd") ?? "/";
  }

  /** readlink(2) @returns null: no link, or not readable */
  readLink(link: string): string | null {
    const bytes = new Uint8Array(PATH_MAX);
    const length = this.libc.c.readlink(cString(link), bytes, bytes.length);
    return length <= 0 ? null : decodeBytes(bytes.subarray(0, length));
  }

  /** Names in a directory, in no order. @throws {SystemCallError} when it cannot be read */
  list(path: string): string[] {
    const { libc } = this;
    using fd = this.descriptors.open(path, C.O_RDONLY | C.O_NONBLOCK);
    const { bytes, view } = struct(ENTRIES_SIZE);
    const names: string[] = [];
    for (;;) {
      const call = libc.arch.SYS_getdents64;
      const address = libc.addressOf(bytes);
      const length = libc.c.syscall(call, fd.number, address, bytes.length, 0, 0);
      if (libc.check(length, "getdents64", path) === 0) break;
      for (let at = 0; at < length; at += view.getUint16(at + RECORD_LENGTH, true)) {
        const name = bytes.subarray(at + NAME, bytes.indexOf(0, at + NAME));
        names.push(decodeBytes(name));
      }
    }
    return names.filter((name) => name !== "." && name !== "..");
  }
}

function nameOf(descriptor: number): string {
  return `/proc/self/fd/${descriptor}`;
}
