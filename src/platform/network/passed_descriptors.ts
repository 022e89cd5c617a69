/**
 * Descriptors: reading and writing, flags, pipes, memfds, and passing them between processes. `receive` checks everything
 * that unix(7) lets go wrong: truncated data or control messages, and closes what it received when it refuses a message.
 * Received descriptors are close-on-exec.
 */
import { SystemCallError } from "../error.ts";
import { Fd, numberOf } from "../fd.ts";
import { C, MFD_EXEC } from "../libc/constants.ts";
import { cString, type Libc, struct } from "../libc/libc.ts";

/** Most descriptors in one message. The kernel's own limit is 253 (SCM_MAX_FD). */
export const MAX_PASSED_DESCRIPTORS = 64;
const CMSG_HEADER_SIZE = 16;
const UCRED_SIZE = 12;

export interface Message {
  readonly data: Uint8Array;
  readonly fds: readonly Fd[];
  /** Who sent it, as the kernel says, when the socket has SO_PASSCRED. */
  readonly sender: { readonly pid: number; readonly uid: number } | null;
}

/** Descriptor verbs. All throw `SystemCallError`. */
export class Descriptors {
  constructor(readonly libc: Libc) {}

  pipe(): { read: Fd; write: Fd } {
    const { bytes, view } = struct(8);
    this.libc.check(this.libc.c.pipe2(bytes, C.O_CLOEXEC), "pipe2", "a pipe");
    return {
      read: new Fd(this.libc, view.getInt32(0, true)),
      write: new Fd(this.libc, view.getInt32(4, true)),
    };
  }

  /** Most bytes that a pipe can hold. pipe(7) */
  pipeCapacity(fd: Fd): number {
    const size = this.libc.c.fcntl(fd.number, C.F_GETPIPE_SZ, 0);
    return this.libc.check(size, "fcntl(F_GETPIPE_SZ)", `descriptor ${fd.number}`);
  }

  /** @returns false where that is not allowed, or the pipe holds more */
  resizePipe(fd: Fd, capacity: number): boolean {
    return this.libc.c.fcntl(fd.number, C.F_SETPIPE_SZ, capacity) >= 0;
  }

  /** Bytes that a pipe holds. FIONREAD, pipe(7) */
  bytesInPipe(fd: Fd): number {
    const { bytes, view } = struct(4);
    const result = this.libc.c.ioctl(fd.number, C.FIONREAD, bytes);
    this.libc.check(result, "ioctl(FIONREAD)", `descriptor ${fd.number}`);
    return view.getInt32(0, true);
  }

  open(path: string, flags: number, mode = 0): Fd {
    const text = cString(path);
    const number = this.libc.retry(() => this.libc.c.open(text, flags | C.O_CLOEXEC, mode));
    return Fd.of(this.libc, number, "open", path);
  }

  /**
   * An anonymous file that holds `data`, sealed against any change, positioned at its start. As a "program" it may be
   * executed, where the kernel allows that of any.
   */
  sealedMemfd(name: string, data: Uint8Array, kind: "data" | "program" = "data"): Fd {
    const fd = kind === "data" ? this.memfd(name, C.MFD_ALLOW_SEALING) : this.#programMemfd(name);
    this.writeAll(fd, data);
    const seals = C.F_SEAL_SEAL | C.F_SEAL_SHRINK | C.F_SEAL_GROW | C.F_SEAL_WRITE;
    this.libc.check(this.libc.c.fcntl(fd.number, C.F_ADD_SEALS, seals), "fcntl(F_ADD_SEALS)", name);
    this.libc.check(this.libc.c.lseek(fd.number, 0, 0), "lseek", name);
    return fd;
  }

  /**
   * A memfd that may be executed. Before Linux 6.3 there is no flag for that, and any may be; with vm.memfd_noexec=2
   * none.
   */
  #programMemfd(name: string): Fd {
    const flags = C.MFD_CLOEXEC | C.MFD_ALLOW_SEALING;
    const number = this.libc.c.memfd_create(cString(name), flags | MFD_EXEC);
    return number < 0 ? this.memfd(name, C.MFD_ALLOW_SEALING) : new Fd(this.libc, number);
  }

  /** An anonymous file that can be written, empty. */
  memfd(name: string, flags = 0): Fd {
    const number = this.libc.c.memfd_create(cString(name), C.MFD_CLOEXEC | flags);
    return Fd.of(this.libc, number, "memfd_create", name);
  }

  /** @returns a close-on-exec duplicate with a number of at least `minimum` */
  duplicate(fd: Fd | number, minimum = 3): Fd {
    const from = numberOf(fd);
    const number = this.libc.c.fcntl(from, C.F_DUPFD_CLOEXEC, minimum);
    return Fd.of(this.libc, number, "fcntl(F_DUPFD_CLOEXEC)", `descriptor ${from}`);
  }

  /** Puts `replacement` under the number of `fd`, atomically. dup3(2) */
  takeOver(fd: Fd, replacement: Fd): void {
    const { c } = this.libc;
    const number = this.libc.retry(() => c.dup3(replacement.number, fd.number, C.O_CLOEXEC));
    this.libc.check(number, "dup3", `descriptor ${fd.number}`);
    replacement.close();
  }

  /** File status flags (O_NONBLOCK, O_APPEND): shared by all duplicates. */
  statusFlags(fd: Fd): number {
    return this.libc.check(this.libc.c.fcntl(fd.number, C.F_GETFL, 0), "fcntl(F_GETFL)", "flags");
  }

  isNonblocking(fd: Fd): boolean {
    return (this.statusFlags(fd) & C.O_NONBLOCK) !== 0;
  }

  setNonblocking(fd: Fd, isNonblocking = true): void {
    const others = this.statusFlags(fd) & ~C.O_NONBLOCK;
    const flags = others | (isNonblocking ? C.O_NONBLOCK : 0);
    this.libc.check(this.libc.c.fcntl(fd.number, C.F_SETFL, flags), "fcntl(F_SETFL)", "flags");
  }

  /** @param timeoutMs -1 waits forever. @returns those that are readable or hung up; none at the time-out */
  waitReadable(fds: readonly Fd[], timeoutMs: number): Fd[] {
    const events = poll(this.libc, fds, C.POLLIN, timeoutMs);
    return fds.filter((_, i) => events[i] !== 0);
  }

  /** Whether there is something to read; a hang-up is nothing. @param timeoutMs with fractions; negative: none */
  hasInput(fd: Fd, timeoutMs: number): boolean {
    const [events = 0] = poll(this.libc, [fd], C.POLLIN, timeoutMs);
    return (events & C.POLLIN) !== 0;
  }

  /** @returns bytes read (empty at end of file), or null when it would block */
  read(fd: Fd, buffer: Uint8Array): Uint8Array | null {
    const count = this.libc.retry(() => this.libc.c.read(fd.number, buffer, buffer.length));
    if (count < 0 && this.libc.errno === C.EAGAIN) return null;
    return buffer.subarray(0, this.libc.check(count, "read", `descriptor ${fd.number}`));
  }

  /** @returns how many bytes were written, or null when it would block */
  write(fd: Fd, data: Uint8Array): number | null {
    const count = this.libc.retry(() => this.libc.c.write(fd.number, data, data.length));
    if (count < 0 && this.libc.errno === C.EAGAIN) return null;
    return this.libc.check(count, "write", `descriptor ${fd.number}`);
  }

  /** write(2) until all of `data` is out, on a descriptor that blocks. */
  writeAll(fd: Fd, data: Uint8Array): void {
    for (let rest = data; rest.length > 0;) {
      rest = rest.subarray(this.write(fd, rest) ?? 0);
    }
  }

  /** Writes all of `data` at `offset` of a file. */
  writeAt(fd: Fd, data: Uint8Array, offset: number): void {
    this.libc.check(this.libc.c.lseek(fd.number, offset, 0), "lseek", `descriptor ${fd.number}`);
    this.writeAll(fd, data);
  }

  /** Whether a write of up to PIPE_BUF (4096) bytes would not block, or not any more within `timeoutMs`. pipe(7) */
  isWritable(fd: Fd, timeoutMs = 0): boolean {
    return poll(this.libc, [fd], C.POLLOUT, timeoutMs)[0] !== 0;
  }

  /** Blocks until the other end of a pipe is closed everywhere. poll(2) @returns false after `timeoutMs` */
  waitForHangup(fd: Fd, timeoutMs: number): boolean {
    return poll(this.libc, [fd], 0, timeoutMs)[0] !== 0;
  }

  /** Sends one message with descriptors (SCM_RIGHTS); the receiver gets its own duplicates. */
  send(socket: Fd, data: Uint8Array, fds: readonly Fd[] = []): void {
    if (fds.length > MAX_PASSED_DESCRIPTORS) {
      throw new RangeError(
        `Cannot pass ${fds.length} descriptors: at most ${MAX_PASSED_DESCRIPTORS}`,
      );
    }
    const control = struct(fds.length === 0 ? 0 : align8(CMSG_HEADER_SIZE + 4 * fds.length));
    if (fds.length > 0) {
      control.view.setBigUint64(0, BigInt(CMSG_HEADER_SIZE + 4 * fds.length), true);
      control.view.setInt32(8, C.SOL_SOCKET, true);
      control.view.setInt32(12, C.SCM_RIGHTS, true);
      fds.forEach((fd, i) => control.view.setInt32(CMSG_HEADER_SIZE + 4 * i, fd.number, true));
    }
    const header = this.#header(data, control.bytes);
    const count = this.libc.retry(() =>
      this.libc.c.sendmsg(socket.number, header.bytes, C.MSG_NOSIGNAL)
    );
    this.libc.check(count, "sendmsg", `${data.length} bytes and ${fds.length} descriptors`);
    header.keep.length = 0;
  }

  /**
   * @param limit longest message accepted, in bytes
   * @param flags MSG_DONTWAIT: never blocks
   * @returns the next message; empty data means the peer has closed; null when it would block
   * @throws {SystemCallError} EINVAL when a message is longer, or its descriptors did not fit
   */
  receive(socket: Fd, limit: number, flags = 0): Message | null {
    const data = new Uint8Array(limit);
    const capacity = align8(CMSG_HEADER_SIZE + 4 * MAX_PASSED_DESCRIPTORS) +
      align8(CMSG_HEADER_SIZE + UCRED_SIZE);
    const control = struct(capacity);
    const header = this.#header(data, control.bytes);
    const count = this.libc.retry(() =>
      this.libc.c.recvmsg(socket.number, header.bytes, C.MSG_CMSG_CLOEXEC | flags)
    );
    if (count < 0 && this.libc.errno === C.EAGAIN) return null;
    this.libc.check(count, "recvmsg", `descriptor ${socket.number}`);
    const controlLength = Number(header.view.getBigUint64(40, true));
    const { fds, sender } = this.#parseControl(control.view, controlLength);
    if (header.view.getInt32(48, true) & (C.MSG_TRUNC | C.MSG_CTRUNC)) {
      fds.forEach((fd) => fd.close());
      const subject = `a message that is longer than ${limit} bytes`;
      throw new SystemCallError("recvmsg", C.EINVAL, subject);
    }
    return { data: data.subarray(0, count), fds, sender };
  }

  /** struct msghdr (56 bytes) over one iovec. */
  #header(data: Uint8Array, control: Uint8Array) {
    const iovec = struct(16);
    if (data.length > 0) iovec.view.setBigUint64(0, BigInt(this.libc.addressOf(data)), true);
    iovec.view.setBigUint64(8, BigInt(data.length), true);
    const header = struct(56);
    header.view.setBigUint64(16, BigInt(this.libc.addressOf(iovec.bytes)), true);
    header.view.setBigUint64(24, 1n, true);
    if (control.length > 0) {
      header.view.setBigUint64(32, BigInt(this.libc.addressOf(control)), true);
      header.view.setBigUint64(40, BigInt(control.length), true);
    }
    return { ...header, keep: [iovec.bytes, data, control] };
  }

  #parseControl(view: DataView, length: number): Pick<Message, "sender"> & { fds: Fd[] } {
    const fds: Fd[] = [];
    let sender: Message["sender"] = null;
    for (let at = 0; at + CMSG_HEADER_SIZE <= length;) {
      const size = Number(view.getBigUint64(at, true));
      if (size < CMSG_HEADER_SIZE || at + size > length) break;
      const type = view.getInt32(at + 12, true);
      if (view.getInt32(at + 8, true) === C.SOL_SOCKET && type === C.SCM_RIGHTS) {
        for (let i = at + CMSG_HEADER_SIZE; i + 4 <= at + size; i += 4) {
          fds.push(new Fd(this.libc, view.getInt32(i, true)));
        }
      } else if (type === C.SCM_CREDENTIALS) {
        // struct ucred { pid_t pid; uid_t uid; gid_t gid; }
        const credentials = at + CMSG_HEADER_SIZE;
        const pid = view.getInt32(credentials, true);
        sender = { pid, uid: view.getUint32(credentials + 4, true) };
      }
      at += align8(size);
    }
    return { fds, sender };
  }
}

function align8(size: number): number {
  return (size + 7) & ~7;
}

/**
 * ppoll(2), as the system call: it leaves the rest of the time in its argument when a signal comes, so that signals without end
 * do not make the wait endless. @param timeoutMs with fractions; negative: none @returns the events of each
 */
function poll(libc: Libc, fds: readonly Fd[], events: number, timeoutMs: number): number[] {
  const { bytes, view } = struct(8 * Math.max(1, fds.length));
  fds.forEach((fd, i) => {
    view.setInt32(8 * i, fd.number, true);
    view.setInt16(8 * i + 4, events, true);
  });
  const timeout = timeoutMs < 0 ? null : timespec(timeoutMs);
  const at = (buffer: Uint8Array | null) => buffer === null ? 0 : libc.addressOf(buffer);
  const { c, arch: { SYS_ppoll } } = libc;
  // The last two: no signal mask.
  const count = libc.retry(() => c.syscall(SYS_ppoll, at(bytes), fds.length, at(timeout), 0, 0));
  libc.check(count, "ppoll", `${fds.length} descriptors`);
  return fds.map((_, i) => view.getInt16(8 * i + 6, true));
}

const NS_PER_MS = 1e6;

/** struct timespec { time_t tv_sec; long tv_nsec; } */
function timespec(ms: number): Uint8Array {
  const { bytes, view } = struct(16);
  const seconds = Math.floor(ms / 1000);
  view.setBigInt64(0, BigInt(seconds), true);
  view.setBigInt64(8, BigInt(Math.round((ms - seconds * 1000) * NS_PER_MS)), true);
  return bytes;
}
