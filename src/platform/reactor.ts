/**
 * Readiness of descriptors, delivered to the event loop.
 *
 * One thread waits in `epoll_wait` without a time-out for all of baton's descriptors and posts what
 * is ready; everything else happens on the main thread. Each registration fires once and must be
 * armed again (EPOLLONESHOT), so a handler never gets an event it has not asked for, and an idle
 * baton makes no system call of its own. epoll(7): `epoll_ctl` takes effect while another thread waits.
 */
import { Fd } from "./fd.ts";
import { C } from "./libc/constants.ts";
import { type Libc, struct } from "./libc/libc.ts";
import { isBatch, PASSING_WORDS, type PolledCall, type PollMessage } from "./poll_messages.ts";
import type { PollThread } from "./runtime/runtime.ts";

const STOP_TOKEN = 0;

/** Events that came; `hangup` is reported without being asked for. */
export interface Readiness {
  readonly readable: boolean;
  readonly writable: boolean;
  /** EPOLLHUP or EPOLLERR: the other end is gone. */
  readonly hangup: boolean;
}

/** One descriptor's registration. Cancel it before the descriptor is closed. */
export class Watch {
  constructor(
    readonly reactor: Reactor,
    readonly fd: Fd,
    readonly token: number,
    /** A notify descriptor: the poll thread takes its calls. */
    readonly isOfCalls = false,
  ) {}

  /** Asks for the next event; of system calls, for the next call. */
  arm(interest: { read?: boolean; write?: boolean } = { read: true }): void {
    this.reactor.modify(this, interest);
  }

  cancel(): void {
    this.reactor.remove(this);
  }
}

export class Reactor {
  readonly #libc: Libc;
  readonly #epoll: Fd;
  readonly #stop: Fd;
  readonly #thread: PollThread;
  readonly #handlers = new Map<number, (readiness: Readiness) => void>();
  readonly #callHandlers = new Map<number, (call: Uint8Array) => void>();
  readonly #passing = new Int32Array(new SharedArrayBuffer(4 * PASSING_WORDS));
  #nextToken = STOP_TOKEN + 1;
  /** Gets what a handler throws; one broken handler must not affect the others. */
  onError: (error: unknown) => void = (error) => {
    throw error;
  };

  constructor(libc: Libc) {
    this.#libc = libc;
    const { c } = libc;
    const epoll = libc.check(c.epoll_create1(C.EPOLL_CLOEXEC), "epoll_create1", "the reactor");
    this.#epoll = new Fd(libc, epoll);
    const stop = libc.check(c.eventfd(0, C.EFD_CLOEXEC | C.EFD_NONBLOCK), "eventfd", "the reactor");
    this.#stop = new Fd(libc, stop);
    this.#control(C.EPOLL_CTL_ADD, { fd: this.#stop, token: STOP_TOKEN }, C.EPOLLIN);
    this.#thread = libc.runtime.startPollThread({
      epollFd: this.#epoll.number,
      stopToken: STOP_TOKEN,
      passing: this.#passing.buffer,
      onEvents: (message) => this.#dispatch(message),
    });
  }

  /** Number of registrations: grows with a leak. */
  get size(): number {
    return this.#handlers.size;
  }

  /** Registers `fd`, armed for `interest`. @throws {SystemCallError} EPERM for regular files */
  watch(
    fd: Fd,
    handler: (readiness: Readiness) => void,
    interest: { read?: boolean; write?: boolean } = { read: true },
  ): Watch {
    const watch = new Watch(this, fd, this.#nextToken++);
    this.#control(C.EPOLL_CTL_ADD, watch, mask(interest));
    this.#handlers.set(watch.token, handler);
    return watch;
  }

  /**
   * Registers a notify descriptor, seccomp_unotify(2), whose calls the poll thread takes: passing ones continue at
   * once, the others are delivered as `struct seccomp_notif`. Arm it again after the answer.
   */
  watchCalls(
    notify: Fd,
    handlers: { onCall: (call: Uint8Array) => void; onHangup: () => void },
  ): Watch {
    const watch = new Watch(this, notify, this.#nextToken++, true);
    this.#control(C.EPOLL_CTL_ADD, watch, mask({ read: true }));
    this.#handlers.set(watch.token, handlers.onHangup);
    this.#callHandlers.set(watch.token, handlers.onCall);
    return watch;
  }

  /** From now on these system calls, by number, pass: every notify descriptor lets them continue at once. */
  letPass(calls: readonly number[]): void {
    if (calls.length >= PASSING_WORDS) {
      throw new RangeError(`Cannot let ${calls.length} calls pass`);
    }
    // The count is stored last: the numbers are there then.
    Atomics.store(this.#passing, 0, 0);
    this.#passing.set(calls, 1);
    Atomics.store(this.#passing, 0, calls.length);
  }

  modify(watch: Watch, interest: { read?: boolean; write?: boolean }): void {
    if (!this.#handlers.has(watch.token)) return;
    this.#control(C.EPOLL_CTL_MOD, watch, mask(interest));
  }

  remove(watch: Watch): void {
    if (!this.#handlers.delete(watch.token)) return;
    this.#callHandlers.delete(watch.token);
    if (watch.fd.isOpen) this.#control(C.EPOLL_CTL_DEL, watch, 0);
  }

  /** Ends the thread. Registrations are dropped, their descriptors stay open. */
  async close(): Promise<void> {
    this.#handlers.clear();
    this.#callHandlers.clear();
    this.#libc.c.write(this.#stop.number, new Uint8Array(new BigUint64Array([1n]).buffer), 8);
    await this.#thread.ended;
    this.#epoll.close();
    this.#stop.close();
  }

  #control(
    operation: number,
    { fd, token, isOfCalls = false }: { fd: Fd; token: number; isOfCalls?: boolean },
    events: number,
  ): void {
    const { EPOLL_EVENT_SIZE, EPOLL_DATA_OFFSET } = this.#libc.arch;
    const { bytes, view } = struct(EPOLL_EVENT_SIZE);
    view.setUint32(0, events, true);
    view.setUint32(EPOLL_DATA_OFFSET, token, true);
    view.setUint32(EPOLL_DATA_OFFSET + 4, isOfCalls ? fd.number : 0, true);
    const result = this.#libc.c.epoll_ctl(this.#epoll.number, operation, fd.number, bytes);
    this.#libc.check(result, "epoll_ctl", `descriptor ${fd.number}`);
  }

  #deliver({ token, call }: PolledCall): void {
    try {
      this.#callHandlers.get(token)?.(call);
    } catch (error) {
      this.onError(error);
    }
  }

  #dispatch(message: PollMessage): void {
    if (!isBatch(message)) return this.#deliver(message);
    const batch = message;
    for (let i = 0; i < batch.length; i += 2) {
      const events = batch[i]!;
      // A handler may be gone: an earlier one of the same batch has cancelled it.
      try {
        this.#handlers.get(batch[i + 1]!)?.({
          readable: (events & C.EPOLLIN) !== 0,
          writable: (events & C.EPOLLOUT) !== 0,
          hangup: (events & (C.EPOLLHUP | C.EPOLLERR)) !== 0,
        });
      } catch (error) {
        this.onError(error);
      }
    }
  }
}

function mask(interest: { read?: boolean; write?: boolean }): number {
  return C.EPOLLONESHOT | (interest.read ? C.EPOLLIN : 0) | (interest.write ? C.EPOLLOUT : 0);
}
