/**
 * Readiness of descriptors, delivered to the event loop.
 *
 * One thread waits in `epoll_wait` without a time-out for all of baton's descriptors and posts what
 * is ready; everything else happens on the main thread. Each registration fires once and must be
 * armed again (EPOLLONESHOT), so a handler never sees an event it has not asked for, and an idle
 * baton makes no system call of its own. epoll(7): `epoll_ctl` takes effect while another thread waits.
 */
import { Fd } from "./fd.ts";
import { C } from "./libc/constants.ts";
import { struct } from "./libc/libc.ts";
import type { Libc } from "./libc/libc.ts";
import type { PollThread } from "./runtime/runtime.ts";

const STOP_TOKEN = 0;

/** What is awaited, and what came: `hangup` is reported without being asked for. */
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
  ) {}

  /** Asks for the next event. */
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
  #nextToken = STOP_TOKEN + 1;
  /** Told what a handler throws; one broken handler must not take the others with it. */
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
    this.#control(C.EPOLL_CTL_ADD, this.#stop, STOP_TOKEN, C.EPOLLIN);
    this.#thread = libc.runtime.startPollThread({
      epollFd: this.#epoll.number,
      stopToken: STOP_TOKEN,
      onEvents: (batch) => this.#dispatch(batch),
    });
  }

  /** Number of registrations: what a leak would make grow. */
  get size(): number {
    return this.#handlers.size;
  }

  /** Registers `fd`, armed for `interest`. @throws {SystemCallError} EPERM for regular files */
  watch(
    fd: Fd,
    handler: (readiness: Readiness) => void,
    interest: { read?: boolean; write?: boolean } = { read: true },
  ): Watch {
    const token = this.#nextToken++;
    this.#control(C.EPOLL_CTL_ADD, fd, token, mask(interest));
    this.#handlers.set(token, handler);
    return new Watch(this, fd, token);
  }

  modify(watch: Watch, interest: { read?: boolean; write?: boolean }): void {
    if (!this.#handlers.has(watch.token)) return;
    this.#control(C.EPOLL_CTL_MOD, watch.fd, watch.token, mask(interest));
  }

  remove(watch: Watch): void {
    if (!this.#handlers.delete(watch.token)) return;
    if (watch.fd.isOpen) this.#control(C.EPOLL_CTL_DEL, watch.fd, watch.token, 0);
  }

  /** Ends the thread. Registrations are dropped, their descriptors stay open. */
  async close(): Promise<void> {
    this.#handlers.clear();
    this.#libc.c.write(this.#stop.number, new Uint8Array(new BigUint64Array([1n]).buffer), 8);
    await this.#thread.ended;
    this.#epoll.close();
    this.#stop.close();
  }

  #control(operation: number, fd: Fd, token: number, events: number): void {
    const { EPOLL_EVENT_SIZE, EPOLL_DATA_OFFSET } = this.#libc.arch;
    const { bytes, view } = struct(EPOLL_EVENT_SIZE);
    view.setUint32(0, events, true);
    view.setUint32(EPOLL_DATA_OFFSET, token, true);
    const result = this.#libc.c.epoll_ctl(this.#epoll.number, operation, fd.number, bytes);
    this.#libc.check(result, "epoll_ctl", `descriptor ${fd.number}`);
  }

  #dispatch(batch: readonly number[]): void {
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
