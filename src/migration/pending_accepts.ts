/**
 * Connections that wait to be the result of somebody's accept(2): of a server that knows nothing of it.
 *
 * The filter of a generation reports its `accept` and `accept4`, and the thread waits. If it accepts from the
 * listener that a connection was made to, the connection is the answer, with the address written as accept(2)
 * promises; else the call goes on as if nobody had asked. Linux 5.14 (SECCOMP_ADDFD_FLAG_SEND).
 */
import type { Fd } from "../platform/fd.ts";
import { SYS_ACCEPT4 } from "../platform/libc/accept_calls.ts";
import { C } from "../platform/libc/constants.ts";
import type { Platform } from "../platform/platform.ts";
import * as proc from "../platform/process/proc.ts";
import type { Notification } from "../platform/process/seccomp.ts";
import type { Group } from "../steering/group.ts";
import type { Listeners } from "../steering/listeners.ts";

/** O_NONBLOCK and O_CLOEXEC are SOCK_NONBLOCK and SOCK_CLOEXEC too. */
const FLAGS_ARGUMENT = 3;
const LENGTH_SIZE = 4;
/** All that can be held back. */
const SIGNALS = Array.from({ length: 31 }, (_, i) => i + 1).filter((n) => n !== 9 && n !== 19);

export interface Offer {
  readonly group: Group;
  /** Stays the caller's. */
  readonly socket: Fd;
  /** It has it. */
  readonly onTaken: () => void;
}

export class PendingAccepts {
  readonly #offers = new Set<Offer>();

  /** @param onChange there is an offer more, or less */
  constructor(
    readonly platform: Platform,
    readonly listeners: Listeners,
    readonly onChange: () => void,
  ) {}

  get isEmpty(): boolean {
    return this.#offers.size === 0;
  }

  /** @returns a function that takes the offer back */
  offer(offer: Offer): () => void {
    this.#offers.add(offer);
    this.onChange();
    return () => {
      if (this.#offers.delete(offer)) this.onChange();
    };
  }

  /** Answers an accept. It is always answered: a call without an answer hangs its thread for ever. */
  handle(notify: Fd, notification: Notification): void {
    const { seccomp } = this.platform;
    let isTaken = false;
    try {
      isTaken = !this.isEmpty && this.#give(notify, notification);
    } finally {
      if (!isTaken) seccomp.continue(notify, notification.id);
    }
  }

  #give(notify: Fd, notification: Notification): boolean {
    const group = this.#groupOf(notification);
    const offer = [...this.#offers].find((candidate) => candidate.group === group);
    const { seccomp, runtime, descriptors } = this.platform;
    if (offer === undefined || !seccomp.isValid(notify, notification.id)) return false;
    if (!this.#writeAddress(notification, offer.socket)) return false;
    const takesFlags = notification.call === SYS_ACCEPT4[runtime.arch];
    const flags = takesFlags ? Number(notification.args[FLAGS_ARGUMENT] ?? 0n) : 0;
    const others = descriptors.statusFlags(offer.socket) & ~C.O_NONBLOCK;
    descriptors.setStatusFlags(offer.socket, others | (flags & C.O_NONBLOCK));
    const closeOnExec = (flags & C.O_CLOEXEC) !== 0;
    if (!this.#send(notify, notification.id, { source: offer.socket, closeOnExec })) return false;
    this.#offers.delete(offer);
    this.onChange();
    offer.onTaken();
    return true;
  }

  /**
   * A signal in the middle would leave the call answered, and without a descriptor: accept(2) would return 0
   * (seccomp_notify_addfd in the kernel waits for the other side, and can be interrupted).
   */
  #send(notify: Fd, id: bigint, answer: { source: Fd; closeOnExec: boolean }): boolean {
    const { seccomp, processes } = this.platform;
    processes.blockSignals(SIGNALS);
    try {
      return seccomp.answerWithDescriptor(notify, id, answer);
    } finally {
      processes.unblockSignals(SIGNALS);
    }
  }

  /** The group whose connections the caller gets at this listener; null: another one's, or no more. */
  #groupOf({ tid, args }: Notification): Group | null {
    const target = proc.descriptorTarget(tid, Number(BigInt.asIntN(32, args[0] ?? -1n)));
    const inode = /^socket:\[(\d+)\]$/.exec(target ?? "")?.[1];
    if (inode === undefined) return null;
    const found = this.listeners.findMember(Number(inode) >>> 0) ??
      this.listeners.findMember(Number(inode));
    return found !== null && found.group.isReceiving(found.member) ? found.group : null;
  }

  /** accept(2): as much of the address as there is room for, and its real length. */
  #writeAddress({ tid, args }: Notification, socket: Fd): boolean {
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
