/**
 * Readiness of descriptors, delivered to the event loop.
 *
 * One thread waits in `epoll_wait` without a time-out for all of baton's descriptors and posts what is ready. Each
 * registration fires once and must be armed again (EPOLLONESHOT), so a handler never gets an event it has not asked for.
 * epoll(7): `epoll_ctl` takes effect while another thread waits.
 */
import { Fd } from "./fd.ts";
import { C } from "./libc/constants.ts";
import { type Libc, struct } from "./libc/libc.ts";
import { PassingList } from "./passing_list.ts";
import type { PolledCall, PollMessage } from "./runtime/runtime.ts";

const STOP_TOKEN = 0;
const PAUSE_TOKEN = 1;
/** In place of a descriptor: all of them. */
const EVERY_DESCRIPTOR = { connections: 0, paths: -1 } as const;

/** Events to wait for; a hang-up is always reported. */
type Interest = { readonly read?: boolean; readonly write?: boolean };
const READ: Interest = { read: true };

export interface Readiness {
  readonly readable: boolean;
  readonly writable: boolean;
  /** EPOLLHUP or EPOLLERR: the other end is gone. */
  readonly hangup: boolean;
}

/** One descriptor's registration. Cancel it before the descriptor is closed. */
export interface Watch {
  /** Asks for the next event, by default for data; of system calls, for the next call. */
  arm(interest?: Interest): void;
  cancel(): void;
}

/** The registration of a notify descriptor. */
export interface CallsWatch extends Watch {
  /** Lets these system calls, by number, continue at once from now on, beside those of `Reactor.letPass`. */
  letPass(calls: readonly number[]): void;
  /**
   * Like `cancel`, but what the thread has taken is delivered first; the descriptor must stay open until then.
   * @param onQuiet no call is here any more: another process may take the next one
   */
  release(onQuiet: () => void): void;
}

interface Registration {
  readonly fd: Fd;
  readonly token: number;
  /** Whether it is a notify descriptor, whose calls the poll thread takes. */
  readonly isOfCalls?: boolean;
}

interface Caller {
  readonly number: number;
  readonly onCall: (call: Uint8Array) => void;
  readonly watch: CallerWatch;
}

interface CallerWatch extends Watch {
  disarm(): void;
  /** Ends the registration: it gets no event any more. */
  leave(): void;
}

export class Reactor {
  readonly #libc: Libc;
  readonly #epoll: Fd;
  readonly #stop: Fd;
  readonly #pause: Fd;
  readonly #thread: Promise<void>;
  readonly #handlers = new Map<number, (readiness: Readiness) => void>();
  /** Registrations of notify descriptors, by token. */
  readonly #callers = new Map<number, Caller>();
  readonly #passing = new PassingList();
  /** Rounds of `#delivered`, one after the other: a round is over when its own write to `#pause` was seen. */
  #rounds: Promise<void> = Promise.resolve();
  #nextToken = PAUSE_TOKEN + 1;
  #takesCalls = true;
  /** Called before events are delivered. */
  onActivity: () => void = () => {};
  /** Gets what a handler throws; one broken handler must not affect the others. */
  onError: (error: unknown) => void = (error) => {
    throw error;
  };

  constructor(libc: Libc) {
    this.#libc = libc;
    const { c } = libc;
    const epoll = c.epoll_create1(C.EPOLL_CLOEXEC);
    this.#epoll = Fd.of(libc, epoll, "epoll_create1", "the reactor");
    const stop = c.eventfd(0, C.EFD_CLOEXEC | C.EFD_NONBLOCK);
    this.#stop = Fd.of(libc, stop, "eventfd", "the reactor");
    this.#control(C.EPOLL_CTL_ADD, { fd: this.#stop, token: STOP_TOKEN }, C.EPOLLIN);
    const pause = c.eventfd(0, C.EFD_CLOEXEC | C.EFD_NONBLOCK);
    this.#pause = Fd.of(libc, pause, "eventfd", "the reactor");
    // An event for each write; it is never read.
    const onWrite = C.EPOLLIN | C.EPOLLET;
    this.#control(C.EPOLL_CTL_ADD, { fd: this.#pause, token: PAUSE_TOKEN }, onWrite);
    const started = Promise.withResolvers<void>();
    // A start of a server is one task, and need not wait for the thread: the kernel remembers what it registers.
    setImmediate(() => started.resolve());
    this.#thread = started.promise.then(() =>
      libc.runtime.startPollThread({
        epollFd: this.#epoll.number,
        stopToken: STOP_TOKEN,
        passing: this.#passing.shared,
        onEvents: (message) => this.#dispatch(message),
      })
    );
  }

  /** Number of registrations: grows with a leak. */
  get size(): number {
    return this.#handlers.size;
  }

  /** Registers `fd`, armed for `interest`. @throws {SystemCallError} EPERM for regular files */
  watch(fd: Fd, handler: (readiness: Readiness) => void, interest: Interest = READ): Watch {
    return this.#register({ fd, token: this.#nextToken++ }, handler, interest);
  }

  /**
   * Registers a notify descriptor, seccomp_unotify(2), whose calls the poll thread takes: passing ones continue at
   * once, the others are delivered as `struct seccomp_notif`. Arm it again after the answer.
   */
  watchCalls(
    notify: Fd,
    handlers: { onCall: (call: Uint8Array) => void; onHangup: () => void },
  ): CallsWatch {
    const token = this.#nextToken++;
    const { number } = notify;
    const watch = this.#register({ fd: notify, token, isOfCalls: true }, handlers.onHangup, READ);
    this.#callers.set(token, { number, onCall: handlers.onCall, watch });
    return {
      arm: (interest) => watch.arm(interest),
      cancel: () => {
        // The number may belong to another descriptor soon.
        if (this.#callers.has(token)) this.#passing.set(number, []);
        watch.cancel();
      },
      letPass: (calls) => {
        if (this.#callers.has(token)) this.#passing.set(number, calls);
      },
      release: (onQuiet) => {
        this.#passing.set(number, []);
        // The thread cannot arm it any more either.
        watch.leave();
        this.#rounds = this.#delivered().then(() => {
          this.#callers.delete(token);
          this.#attempt(onQuiet);
        });
      },
    };
  }

  #register(
    registration: Registration,
    handler: (readiness: Readiness) => void,
    interest: Interest,
  ): CallerWatch {
    const { fd, token } = registration;
    const isPaused = registration.isOfCalls && !this.#takesCalls;
    this.#control(C.EPOLL_CTL_ADD, registration, mask(isPaused ? {} : interest));
    this.#handlers.set(token, handler);
    const change = (next: Interest) => {
      if (this.#handlers.has(token)) this.#control(C.EPOLL_CTL_MOD, registration, mask(next));
    };
    const leave = () => {
      if (this.#handlers.delete(token) && fd.isOpen) {
        this.#control(C.EPOLL_CTL_DEL, registration, 0);
      }
    };
    return {
      arm: (next = READ) => {
        if (!registration.isOfCalls || this.#takesCalls) change(next);
      },
      disarm: () => change({}),
      leave,
      cancel: () => {
        leave();
        this.#callers.delete(token);
      },
    };
  }

  /**
   * Lets these system calls, by number, pass from now on: every notify descriptor lets them continue at once.
   * @param of whose list this is, and replaces
   */
  letPass(calls: readonly number[], of: keyof typeof EVERY_DESCRIPTOR = "connections"): void {
    this.#passing.set(EVERY_DESCRIPTOR[of], calls);
  }

  /**
   * Pauses: the poll thread takes no call from here on, and they wait in the kernel. Resolves when all that it took
   * were delivered.
   */
  async pauseCalls(): Promise<void> {
    this.#takesCalls = false;
    this.#passing.pause();
    // In the first round the thread may arm the descriptor of a call that it lets pass; then no call passes.
    for (let round = 0; round < 2; round++) {
      for (const { watch } of this.#callers.values()) watch.disarm();
      await this.#delivered();
    }
  }

  /** Resolves when all that the thread has posted until now was handled. */
  #delivered(): Promise<void> {
    return this.#rounds = this.#rounds.then(() => this.#round());
  }

  async #round(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#handlers.set(PAUSE_TOKEN, () => resolve());
    this.#write(this.#pause);
    await promise;
    this.#handlers.delete(PAUSE_TOKEN);
  }

  resumeCalls(): void {
    this.#takesCalls = true;
    this.#passing.resume();
    for (const { watch } of this.#callers.values()) watch.arm();
  }

  #write(event: Fd): void {
    this.#libc.c.write(event.number, new Uint8Array(new BigUint64Array([1n]).buffer), 8);
  }

  /** Ends the thread. Registrations are dropped, their descriptors stay open. */
  async close(): Promise<void> {
    await this.#rounds;
    this.#handlers.clear();
    this.#callers.clear();
    this.#write(this.#stop);
    await this.#thread;
    for (const fd of [this.#epoll, this.#stop, this.#pause]) fd.close();
  }

  #control(operation: number, { fd, token, isOfCalls }: Registration, events: number): void {
    const { EPOLL_EVENT_SIZE, EPOLL_DATA_OFFSET } = this.#libc.arch;
    const { bytes, view } = struct(EPOLL_EVENT_SIZE);
    view.setUint32(0, events, true);
    view.setUint32(EPOLL_DATA_OFFSET, token, true);
    view.setUint32(EPOLL_DATA_OFFSET + 4, isOfCalls ? fd.number : 0, true);
    const result = this.#libc.c.epoll_ctl(this.#epoll.number, operation, fd.number, bytes);
    this.#libc.check(result, "epoll_ctl", `descriptor ${fd.number}`);
  }

  #dispatch(message: PollMessage): void {
    this.onActivity();
    if ("call" in message) return this.#attempt(() => this.#dispatchCall(message));
    for (let i = 0; i < message.length; i += 2) {
      const events = message[i]!;
      const readiness = {
        readable: (events & C.EPOLLIN) !== 0,
        writable: (events & C.EPOLLOUT) !== 0,
        hangup: (events & (C.EPOLLHUP | C.EPOLLERR)) !== 0,
      };
      // A handler may be gone: an earlier one of the same batch has cancelled it.
      this.#attempt(() => this.#handlers.get(message[i + 1]!)?.(readiness));
    }
  }

  #dispatchCall({ token, fd, call }: PolledCall): void {
    const caller = this.#callers.get(token);
    if (call === null) return caller?.watch.arm();
    // The thread may have had the event of a descriptor that is closed, and the call of the next one with its number.
    const next = () => [...this.#callers.values()].find(({ number }) => number === fd);
    (caller ?? next())?.onCall(call);
  }

  #attempt(handle: () => void): void {
    try {
      handle();
    } catch (error) {
      this.onError(error);
    }
  }
}

function mask(interest: Interest): number {
  return C.EPOLLONESHOT | (interest.read ? C.EPOLLIN : 0) | (interest.write ? C.EPOLLOUT : 0);
}
