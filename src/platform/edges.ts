/**
 * Changes of many descriptors that rarely change: each is reported when something has happened to it, and not while it
 * stays so (EPOLLET). epoll(7). They cost the event loop one registration together.
 */
import { Fd } from "./fd.ts";
import { C } from "./libc/constants.ts";
import { type Libc, struct } from "./libc/libc.ts";
import type { Reactor, Watch } from "./reactor.ts";

const MOST_EVENTS = 64;

export class Edges {
  readonly #epoll: Fd;
  readonly #watch: Watch;

  /** @param onEdge gets the token of a descriptor, also once soon after it was added; it may remove descriptors */
  constructor(readonly libc: Libc, reactor: Reactor, readonly onEdge: (token: number) => void) {
    this.#epoll = Fd.of(libc, libc.c.epoll_create1(C.EPOLL_CLOEXEC), "epoll_create1", "edges");
    this.#watch = reactor.watch(this.#epoll, () => {
      try {
        this.look();
      } finally {
        if (this.#epoll.isOpen) this.#watch.arm();
      }
    });
  }

  add(fd: Fd, token: number): void {
    const { EPOLL_EVENT_SIZE, EPOLL_DATA_OFFSET } = this.libc.arch;
    const { bytes, view } = struct(EPOLL_EVENT_SIZE);
    view.setUint32(0, C.EPOLLIN | C.EPOLLOUT | C.EPOLLRDHUP | C.EPOLLET, true);
    view.setUint32(EPOLL_DATA_OFFSET, token, true);
    this.#control(C.EPOLL_CTL_ADD, fd, bytes);
  }

  /**
   * Removes a descriptor; to be called before `fd` is closed: while another process has the socket open, the kernel
   * would report on it further.
   */
  remove(fd: Fd): void {
    this.#control(C.EPOLL_CTL_DEL, fd, null);
  }

  #control(operation: number, fd: Fd, event: Uint8Array | null): void {
    const result = this.libc.c.epoll_ctl(this.#epoll.number, operation, fd.number, event);
    this.libc.check(result, "epoll_ctl", `descriptor ${fd.number}`);
  }

  /** Reports what has happened by now. */
  look(): void {
    const { EPOLL_EVENT_SIZE, EPOLL_DATA_OFFSET } = this.libc.arch;
    const { bytes, view } = struct(EPOLL_EVENT_SIZE * MOST_EVENTS);
    const count = this.libc.c.epoll_wait(this.#epoll.number, bytes, MOST_EVENTS, 0);
    const tokens = Array.from(
      { length: Math.max(0, count) },
      (_, i) => view.getUint32(i * EPOLL_EVENT_SIZE + EPOLL_DATA_OFFSET, true),
    );
    for (const token of tokens) this.onEdge(token);
  }

  close(): void {
    this.#watch.cancel();
    this.#epoll.close();
  }
}
