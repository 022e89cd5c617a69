/**
 * Connections that wait to be returned by accept(2) in a server that knows nothing of the move.
 *
 * The new generation's seccomp filter reports its `accept` and `accept4` calls while the calling thread waits. If the
 * call is on the listener that a pending connection came in by, that connection becomes its result, and the address is
 * written as accept(2) specifies; otherwise the call continues unchanged. Linux 5.14 (SECCOMP_ADDFD_FLAG_SEND).
 */
import type { Fd } from "../platform/fd.ts";
import { C } from "../platform/libc/constants.ts";
import type { Platform } from "../platform/platform.ts";
import * as proc from "../platform/process/proc.ts";
import { intArgument, type TrappedCall } from "../platform/process/seccomp.ts";
import { uninterrupted } from "../platform/process/uninterrupted.ts";
import type { Group } from "../steering/group.ts";
import type { Listeners } from "../steering/listeners.ts";

/** O_NONBLOCK and O_CLOEXEC equal SOCK_NONBLOCK and SOCK_CLOEXEC. */
const FLAGS_ARGUMENT = 3;
const LENGTH_SIZE = 4;

export interface PendingAccept {
  readonly group: Group;
  /** The connection; its descriptor remains the caller's. */
  readonly socket: Fd;
  /** The caller is about to get it. @param blocks it may read in blocking mode at once */
  readonly onTaking?: (blocks: boolean) => void;
  readonly onTaken: () => void;
}

export class PendingAccepts {
  readonly #pending = new Set<PendingAccept>();

  constructor(
    readonly platform: Platform,
    readonly listeners: Listeners,
    readonly onChange: () => void,
  ) {}

  get isEmpty(): boolean {
    return this.#pending.size === 0;
  }

  /** @returns a function that withdraws it */
  add(accept: PendingAccept): () => void {
    this.#pending.add(accept);
    this.onChange();
    return () => {
      if (this.#pending.delete(accept)) this.onChange();
    };
  }

  /** Answers a trapped accept(2), in every case: a call without an answer hangs its thread forever. */
  handle(notify: Fd, notification: TrappedCall): void {
    const { seccomp } = this.platform;
    let isTaken = false;
    try {
      isTaken = !this.isEmpty && this.#give(notify, notification);
    } finally {
      if (!isTaken) seccomp.continue(notify, notification.id);
    }
  }

  #give(notify: Fd, notification: TrappedCall): boolean {
    const found = this.#listenerOf(notification);
    const accept = [...this.#pending].find((candidate) => candidate.group === found?.group);
    const { seccomp, libc, descriptors } = this.platform;
    if (found === null || accept === undefined || !seccomp.isValid(notify, notification.id)) {
      return false;
    }
    if (!this.#writeAddress(notification, accept.socket)) return false;
    const takesFlags = notification.call === libc.arch.SYS_accept4;
    const flags = takesFlags ? Number(notification.args[FLAGS_ARGUMENT] ?? 0n) : 0;
    const isNonblocking = (flags & C.O_NONBLOCK) !== 0;
    descriptors.setNonblocking(accept.socket, isNonblocking);
    accept.onTaking?.(!isNonblocking);
    const closeOnExec = (flags & C.O_CLOEXEC) !== 0;
    this.listeners.tagging.change(accept.socket, found.member.epoch);
    if (!this.#send(notify, notification.id, { source: accept.socket, closeOnExec })) return false;
    this.#pending.delete(accept);
    this.onChange();
    accept.onTaken();
    return true;
  }

  /**
   * Without signals: one in the middle would leave the call answered but without a descriptor, and accept(2) would
   * return 0 (seccomp_notify_addfd in the kernel waits for the other side interruptibly).
   */
  #send(notify: Fd, id: bigint, answer: { source: Fd; closeOnExec: boolean }): boolean {
    const { seccomp, processes } = this.platform;
    return uninterrupted(
      processes,
      () => seccomp.answerWithDescriptor(notify, id, answer) >= 0,
    );
  }

  /** @returns the member at which the caller receives connections; null: a foreign or retired listener */
  #listenerOf(call: TrappedCall): ReturnType<Listeners["findMember"]> {
    const target = proc.descriptorTarget(call.tid, intArgument(call, 0));
    const inode = /^socket:\[(\d+)\]$/.exec(target ?? "")?.[1];
    if (inode === undefined) return null;
    const found = this.listeners.findMember(Number(inode) >>> 0) ??
      this.listeners.findMember(Number(inode));
    return found !== null && found.group.isReceiving(found.member) ? found : null;
  }

  /** accept(2): as much of the address as fits, and its full length. */
  #writeAddress({ tid, args }: TrappedCall, socket: Fd): boolean {
    const [, address = 0n, length = 0n] = args;
    if (address === 0n || length === 0n) return true;
    const room = proc.readMemory(tid, Number(length), LENGTH_SIZE);
    if (room?.length !== LENGTH_SIZE) return false;
    const size = new DataView(room.buffer, room.byteOffset).getInt32(0, true);
    if (size < 0) return false;
    const name = this.platform.sockets.peerName(socket);
    const real = new Uint8Array(new Int32Array([name.length]).buffer);
    return (size === 0 || proc.writeMemory(tid, Number(address), name.subarray(0, size))) &&
      proc.writeMemory(tid, Number(length), real);
  }
}
