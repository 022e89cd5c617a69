/**
 * seccomp user notification: a filter that asks a supervisor about chosen system calls, and the
 * supervisor's half of it. seccomp(2), seccomp_unotify(2).
 *
 * The filter lets everything else through in the kernel. It applies to the calling thread and
 * everything that it executes or forks, forever; so only the launcher installs one, just before exec.
 *
 * Every ioctl of the supervisor may be interrupted while the kernel locks the filter, and has done nothing then:
 * mistaken for an answer, that would leave a thread waiting forever.
 */
import { SystemCallError } from "../error.ts";
import { Fd } from "../fd.ts";
import { C } from "../libc/constants.ts";
import { type Libc, struct } from "../libc/libc.ts";
import { type CallRule, filterProgram } from "./call_filter.ts";

/** sizeof(struct seccomp_notif), struct seccomp_notif_resp, struct seccomp_notif_addfd. */
export const NOTIF_SIZE = 80;
export const NOTIF_RESP_SIZE = 24;
export const NOTIF_ADDFD_SIZE = 24;
/**
 * Linux 5.19: signals do not interrupt a call that the supervisor has received. Without it unlink(2), socket(2) and others,
 * which never fail so, fail with EINTR in a server whose handlers are installed without SA_RESTART.
 */
export const SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV = 1 << 5;
/** Since Linux 6.6; <linux/seccomp.h> of older systems has neither. */
const SECCOMP_IOCTL_NOTIF_SET_FLAGS = 0x40082104;
const SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP = 1;

/** What has become of a call. Postponed: its thread waits until the call is handled again. */
export type CallOutcome = "answered" | "postponed";

/** A system call that waits for an answer. */
export interface TrappedCall {
  readonly id: bigint;
  /** The thread that made the call: a TID, not a process id. */
  readonly tid: number;
  readonly call: number;
  readonly args: readonly bigint[];
}

/** An argument that the kernel reads as an int: a descriptor, a process id. */
export function intArgument({ args }: Pick<TrappedCall, "args">, at: number): number {
  return Number(BigInt.asIntN(32, args[at] ?? -1n));
}

export class Seccomp {
  constructor(readonly libc: Libc) {}

  /**
   * Installs the filter on this thread and returns its notify descriptor.
   * @param rules the system calls to ask about
   * @param spared processes: to ask about kill(2) of these, and of the groups that they lead, too
   * @throws {SystemCallError} EBUSY when a filter above has a listener already, EACCES without
   *   CAP_SYS_ADMIN and without NO_NEW_PRIVS, EINVAL or ENOSYS when the kernel lacks the feature
   */
  installFilter(rules: readonly CallRule[], spared: readonly number[] = []): Fd {
    const { AUDIT_ARCH, SYS_kill } = this.libc.arch;
    const program = filterProgram(AUDIT_ARCH, rules, { call: SYS_kill, pids: spared });
    const { bytes, view } = struct(16);
    view.setUint16(0, program.length / 8, true);
    view.setBigUint64(8, BigInt(this.libc.addressOf(program)), true);
    // Without SPEC_ALLOW kernels before 5.16 slow a filtered process down (SSBD, STIBP).
    const flags = C.SECCOMP_FILTER_FLAG_NEW_LISTENER | C.SECCOMP_FILTER_FLAG_SPEC_ALLOW;
    const install = (more: number) => this.#seccomp(C.SECCOMP_SET_MODE_FILTER, flags | more, bytes);
    let number = install(SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV);
    if (number < 0 && this.libc.errno === C.EINVAL) number = install(0);
    return Fd.of(this.libc, number, "seccomp", "a filter with a listener");
  }

  /** Whether the kernel knows SECCOMP_RET_USER_NOTIF (5.0 and later). */
  hasUserNotification(): boolean {
    const { bytes, view } = struct(4);
    view.setUint32(0, C.SECCOMP_RET_USER_NOTIF, true);
    return this.#seccomp(C.SECCOMP_GET_ACTION_AVAIL, 0, bytes) === 0;
  }

  #seccomp(operation: number, flags: number, args: Uint8Array): number {
    const { c, arch } = this.libc;
    return c.syscall(arch.SYS_seccomp, operation, flags, this.libc.addressOf(args), 0, 0);
  }

  /** @returns the next notification, or null when the caller has died meanwhile */
  receive(notify: Fd): TrappedCall | null {
    const { bytes } = struct(NOTIF_SIZE);
    if (this.#ioctl(notify, C.SECCOMP_IOCTL_NOTIF_RECV, bytes) !== 0) {
      if (this.libc.errno === C.ENOENT) return null;
      throw new SystemCallError("ioctl(SECCOMP_IOCTL_NOTIF_RECV)", this.libc.errno, "a filter");
    }
    return decodeNotification(bytes);
  }

  /** Whether the caller still waits. When it is gone, its pid and memory may belong to another process. */
  isValid(notify: Fd, id: bigint): boolean {
    const bytes = new Uint8Array(new BigUint64Array([id]).buffer);
    return this.#ioctl(notify, C.SECCOMP_IOCTL_NOTIF_ID_VALID, bytes) === 0;
  }

  /** Lets the kernel carry out the call as if there were no filter. */
  continue(notify: Fd, id: bigint): boolean {
    return this.#respond(notify, id, 0n, 0, C.SECCOMP_USER_NOTIF_FLAG_CONTINUE);
  }

  /** Makes the call return `value` without being carried out. */
  answer(notify: Fd, id: bigint, value: number): boolean {
    return this.#respond(notify, id, BigInt(value), 0, 0);
  }

  /** Makes the call fail with `errno`. */
  refuse(notify: Fd, id: bigint, errno: number): boolean {
    return this.#respond(notify, id, 0n, -errno, 0);
  }

  /**
   * Puts a duplicate of `source` at number `target` of the caller, closing what was there, while
   * the call waits (kernel 5.9 and later).
   * @throws {SystemCallError} ENOENT when the caller is gone
   */
  replaceDescriptor(
    notify: Fd,
    id: bigint,
    options: { source: Fd; target: number; closeOnExec: boolean },
  ): void {
    const flag = C.SECCOMP_ADDFD_FLAG_SETFD;
    const result = this.#addDescriptor(notify, id, { ...options, flag });
    this.libc.check(result, "ioctl(SECCOMP_IOCTL_NOTIF_ADDFD)", `descriptor ${options.target}`);
  }

  /**
   * Makes the call return a new descriptor of the caller: a duplicate of `source` (kernel 5.14). Block signals around it.
   * @returns its number there, or -errno when the caller has died, was interrupted, or has no number left: the call is
   *   not answered then
   */
  answerWithDescriptor(
    notify: Fd,
    id: bigint,
    options: { source: Fd; closeOnExec: boolean },
  ): number {
    const flag = C.SECCOMP_ADDFD_FLAG_SEND;
    const number = this.#addDescriptor(notify, id, { ...options, target: 0, flag });
    return number >= 0 ? number : -this.libc.errno;
  }

  /**
   * Answers with a descriptor in two steps, before Linux 5.14: a signal between them leaves the caller with a
   * descriptor that it does not know of.
   */
  answerInTwoSteps(notify: Fd, id: bigint, options: { source: Fd; closeOnExec: boolean }): number {
    const number = this.#addDescriptor(notify, id, { ...options, target: 0, flag: 0 });
    if (number < 0) return -this.libc.errno;
    return this.answer(notify, id, number) ? number : -C.ENOENT;
  }

  /** Tells the scheduler that caller and supervisor take turns: cheaper. @returns false before Linux 6.6 */
  takesTurns(notify: Fd): boolean {
    const { c, arch } = this.libc;
    const [request, flags] = [SECCOMP_IOCTL_NOTIF_SET_FLAGS, SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP];
    return c.syscall(arch.SYS_ioctl, notify.number, request, flags, 0, 0) === 0;
  }

  /**
   * Whether a call can be answered with a descriptor: not before Linux 5.14. The flag is looked at before anything else
   * is.
   */
  canAnswerWithDescriptor(notify: Fd): boolean {
    const flag = C.SECCOMP_ADDFD_FLAG_SEND;
    // No call has this number.
    this.#addDescriptor(notify, 0n, { source: notify, target: 0, closeOnExec: true, flag });
    return this.libc.errno !== C.EINVAL;
  }

  #addDescriptor(
    notify: Fd,
    id: bigint,
    options: { source: Fd; target: number; closeOnExec: boolean; flag: number },
  ): number {
    const { bytes, view } = struct(NOTIF_ADDFD_SIZE);
    view.setBigUint64(0, id, true);
    view.setUint32(8, options.flag, true);
    view.setUint32(12, options.source.number, true);
    view.setUint32(16, options.target, true);
    view.setUint32(20, options.closeOnExec ? C.O_CLOEXEC : 0, true);
    return this.#ioctl(notify, C.SECCOMP_IOCTL_NOTIF_ADDFD, bytes);
  }

  /** @returns false when the caller died while it waited */
  #respond(notify: Fd, id: bigint, value: bigint, error: number, flags: number): boolean {
    const { bytes, view } = struct(NOTIF_RESP_SIZE);
    view.setBigUint64(0, id, true);
    view.setBigInt64(8, value, true);
    view.setInt32(16, error, true);
    view.setUint32(20, flags, true);
    if (this.#ioctl(notify, C.SECCOMP_IOCTL_NOTIF_SEND, bytes) === 0) return true;
    if (this.libc.errno === C.ENOENT) return false;
    throw new SystemCallError("ioctl(SECCOMP_IOCTL_NOTIF_SEND)", this.libc.errno, "a filter");
  }

  #ioctl(notify: Fd, request: number, bytes: Uint8Array): number {
    return this.libc.retry(() => this.libc.c.ioctl(notify.number, request, bytes));
  }
}

/** @param bytes struct seccomp_notif */
export function decodeNotification({ buffer, byteOffset }: Uint8Array): TrappedCall {
  const view = new DataView(buffer, byteOffset, NOTIF_SIZE);
  return {
    id: view.getBigUint64(0, true),
    tid: view.getUint32(8, true),
    call: view.getInt32(16, true),
    args: [32, 40, 48, 56, 64, 72].map((at) => view.getBigUint64(at, true)),
  };
}
