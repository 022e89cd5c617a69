/**
 * Memory that outlives a process and is read by others: a memfd whose size never changes, mapped. Locks on single bytes of
 * it say which writers live: fcntl(2), "Open file description locks".
 */
import { SystemCallError } from "./error.ts";
import type { Fd } from "./fd.ts";
import { C } from "./libc/constants.ts";
import { type Libc, struct } from "./libc/libc.ts";
import type { Platform } from "./platform.ts";

/** sizeof(struct flock), 64 bits */
const FLOCK_SIZE = 32;
const PRIVATE_MODE = 0o600;

/** @returns zeros. Only this user and root can open it by /proc/PID/fd */
export function sharedMemory(
  { libc, descriptors }: Pick<Platform, "libc" | "descriptors">,
  name: string,
  size: number,
): Fd {
  const fd = descriptors.memfd(name, C.MFD_ALLOW_SEALING);
  libc.check(libc.c.fchmod(fd.number, PRIVATE_MODE), "fchmod", name);
  libc.check(libc.c.ftruncate(fd.number, size), "ftruncate", name);
  // A reader of a shorter file would get SIGBUS.
  const seals = C.F_SEAL_SEAL | C.F_SEAL_SHRINK | C.F_SEAL_GROW;
  libc.check(libc.c.fcntl(fd.number, C.F_ADD_SEALS, seals), "fcntl(F_ADD_SEALS)", name);
  return fd;
}

/** Maps a file until this process ends. mmap(2) */
export function mapShared(libc: Libc, fd: Fd, size: number, use: "read" | "write"): Uint8Array {
  const protection = use === "write" ? C.PROT_READ | C.PROT_WRITE : C.PROT_READ;
  const address = libc.c.mmap(0, size, protection, C.MAP_SHARED, fd.number, 0);
  libc.check(address, "mmap", `descriptor ${fd.number}`);
  return libc.runtime.viewOf(address, size);
}

/**
 * Locks one byte for the open file behind `fd`, until that is closed everywhere.
 * @returns false when another one has it
 */
export function tryLockByte(libc: Libc, fd: Fd, offset: number): boolean {
  const result = setLock(libc, fd, offset, C.F_WRLCK);
  if (result < 0 && (libc.errno === C.EAGAIN || libc.errno === C.EACCES)) return false;
  libc.check(result, "fcntl(F_OFD_SETLK)", `descriptor ${fd.number}`);
  return true;
}

export function unlockByte(libc: Libc, fd: Fd, offset: number): void {
  const result = setLock(libc, fd, offset, C.F_UNLCK);
  if (result < 0) throw new SystemCallError("fcntl(F_OFD_SETLK)", libc.errno, "a lock");
}

function setLock(libc: Libc, fd: Fd, offset: number, type: number): number {
  const { bytes, view } = struct(FLOCK_SIZE);
  view.setInt16(0, type, true);
  view.setBigInt64(8, BigInt(offset), true);
  view.setBigInt64(16, 1n, true);
  return libc.c.fcntl(fd.number, C.F_OFD_SETLK, libc.addressOf(bytes));
}
