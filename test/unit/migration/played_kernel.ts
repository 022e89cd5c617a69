/**
 * Kept connections on a kernel that does everything at the worst moment: it lets held answers go whenever it likes, delays
 * acknowledgments, and stops baton between any two system calls; and servers that read what they were woken for although
 * the connection has been paused meanwhile.
 */
import type { TrackedConnection } from "../../../src/migration/connection_table.ts";
import type { Fd } from "../../../src/platform/fd.ts";
import { C } from "../../../src/platform/libc/constants.ts";
import type { Platform } from "../../../src/platform/platform.ts";
import type { FakeClock } from "../../support/fake_clock.ts";
import type { Random } from "../../support/random.ts";

export const REQUEST = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
export const ANSWER_LENGTH = 100;
const ACKNOWLEDGED_MS = 40;

/** All times are the longest; the shortest is none. */
export interface Manner {
  readonly thinkMs: number;
  /** From data to a read, and from a read to an answer. */
  readonly wakeMs: number;
  readonly answerMs: number;
  /** Until the kernel sends what is held back, at the earliest and at the latest. */
  readonly letsGoMs: readonly [number, number];
  /** Between two system calls of baton, one time of ten. */
  readonly stallMs: number;
  /** When the server itself has TCP_CORK set. */
  readonly corks: "never" | "while it answers" | "always";
  /** Sends some requests before the answers to those before. */
  readonly isRude: boolean;
  /**
   * Waits in select(2), and reads and answers in blocking mode. A read(2) that begins on a paused connection keeps what it
   * gets until much more comes: the request is lost.
   */
  readonly blocks?: boolean;
}

export class PlayedConnection {
  isPaused = false;
  isCorked = false;
  isStuck = false;
  /** Bytes from the client, read ones, written by the server, sent, acknowledged. */
  received = 0;
  read = 0;
  written = 0;
  sent = 0;
  acknowledged = 0;
  receivedAtMs = 0;
  sentAtMs = 0;
  #asksAtMs: number;
  #readsAtMs = Infinity;
  /** The server has returned from epoll_wait(2): it reads now, paused or not. */
  #isLatched = false;
  #answersAtMs = Infinity;
  #letsGoAtMs = Infinity;
  #acknowledgesAtMs = Infinity;

  constructor(readonly manner: Manner, readonly random: Random) {
    this.#asksAtMs = random.next() * (manner.thinkMs + 5);
    this.isCorked = manner.corks === "always";
  }

  get isNonblocking(): boolean {
    return this.manner.blocks !== true || this.#answersAtMs === Infinity;
  }

  get unread(): string {
    const unread = REQUEST.repeat(this.received / REQUEST.length);
    return unread.slice(this.read);
  }

  #within(atMs: number, longestMs: number): number {
    return atMs + this.random.next() * longestMs;
  }

  /** Everything that happens until then, in the order of time. */
  live(untilMs: number): void {
    for (;;) {
      const next: [number, (atMs: number) => void][] = [
        [this.#asksAtMs, (atMs) => this.#ask(atMs)],
        [this.#readsAtMs, (atMs) => this.#take(atMs)],
        [this.#answersAtMs, (atMs) => this.#answer(atMs)],
        [this.#letsGoAtMs, (atMs) => this.#flush(atMs)],
        [this.#acknowledgesAtMs, () => this.#acknowledge()],
      ];
      const [atMs, act] = next.reduce((a, b) => b[0] < a[0] ? b : a);
      if (atMs > untilMs) return;
      act(atMs);
    }
  }

  #ask(atMs: number): void {
    const { manner, random } = this;
    this.received += REQUEST.length;
    this.receivedAtMs = atMs;
    this.#acknowledge();
    const isImpatient = manner.isRude && random.chance(0.3);
    this.#asksAtMs = isImpatient ? this.#within(atMs, manner.answerMs) : Infinity;
    this.wake(atMs);
  }

  /** The server is told of data by epoll_wait(2), if it waits there. */
  wake(atMs: number): void {
    if (this.isPaused || this.read === this.received || this.#readsAtMs < Infinity) return;
    if (this.#answersAtMs < Infinity) return;
    this.#readsAtMs = this.#within(atMs, this.manner.wakeMs);
    this.#isLatched = this.manner.blocks === true || this.random.chance(0.5);
  }

  #take(atMs: number): void {
    this.#readsAtMs = Infinity;
    if (this.isPaused && !this.#isLatched) return;
    this.read = this.received;
    this.isStuck = this.isPaused && this.manner.blocks === true;
    if (this.isStuck) return;
    if (this.manner.corks === "while it answers") this.isCorked = true;
    this.#answersAtMs = this.#within(atMs, this.manner.answerMs);
  }

  #answer(atMs: number): void {
    this.#answersAtMs = Infinity;
    this.written = this.read / REQUEST.length * ANSWER_LENGTH;
    if (this.manner.corks === "while it answers") this.isCorked = false;
    if (!this.isCorked) this.#flush(atMs);
    else {
      const [leastMs, mostMs] = this.manner.letsGoMs;
      this.#letsGoAtMs = this.#within(atMs + leastMs, mostMs - leastMs);
    }
    this.wake(atMs);
  }

  #flush(atMs: number): void {
    this.#letsGoAtMs = Infinity;
    if (this.sent === this.written) return;
    this.sent = this.written;
    this.sentAtMs = atMs;
    this.#acknowledgesAtMs = this.#within(atMs, ACKNOWLEDGED_MS);
    if (this.sent / ANSWER_LENGTH < this.received / REQUEST.length) return;
    this.#asksAtMs = Math.min(this.#asksAtMs, this.#within(atMs, this.manner.thinkMs));
  }

  #acknowledge(): void {
    this.#acknowledgesAtMs = Infinity;
    this.acknowledged = this.sent;
  }

  setOption(name: number, value: number, atMs: number): void {
    if (name === C.TCP_CORK) {
      this.isCorked = value === 1;
      if (!this.isCorked) this.#flush(atMs);
    } else {
      this.isPaused = value > 1;
      this.wake(atMs);
    }
  }
}

export class PlayedKernel {
  readonly sockets: readonly PlayedConnection[];
  readonly connections: TrackedConnection[];

  constructor(manners: readonly Manner[], readonly clock: FakeClock, readonly random: Random) {
    this.sockets = manners.map((manner) => new PlayedConnection(manner, random));
    this.connections = manners.map((_, inode) => ({
      inode,
      oldDescriptor: { pid: 0, descriptor: inode, target: "" },
      socket: {} as TrackedConnection["socket"],
      state: null,
      sample: null,
      isCorked: false,
      evidence: 0,
      cookie: null,
    }));
  }

  /** At a system call of baton, before which it may have had to wait. */
  #at({ number }: { readonly number: number }): PlayedConnection {
    const { clock, random, sockets } = this;
    const socket = sockets[number]!;
    const { stallMs } = socket.manner;
    clock.block(random.chance(0.1) ? random.next() * stallMs : random.next() * 0.02);
    socket.live(clock.now());
    return socket;
  }

  get platform(): Platform {
    const at = (fd: Fd) => this.#at(fd);
    return {
      clock: this.clock,
      libc: { arch: {} },
      descriptors: {
        isNonblocking: ({ number }: Fd) => this.sockets[number]!.isNonblocking,
      },
      sockets: {
        option: (fd: Fd) => at(fd).isCorked ? 1 : 0,
        setOption: (fd: Fd, _level: number, name: number, value: number) =>
          at(fd).setOption(name, value, this.clock.now()),
        unreadBytes: (fd: Fd) => at(fd).unread.length,
        unacknowledgedBytes: (fd: Fd) => {
          const { written, acknowledged } = at(fd);
          return written - acknowledged;
        },
        peek: (fd: Fd) => new TextEncoder().encode(at(fd).unread),
      },
      sockDiag: {
        trafficOf: (fd: Fd) => {
          const { received, acknowledged, receivedAtMs, sentAtMs } = at(fd);
          const atMs = this.clock.now();
          return {
            bytesReceived: received,
            bytesAcked: acknowledged,
            sinceReceivedMs: atMs - receivedAtMs,
            sinceSentMs: atMs - sentAtMs,
            sinceAckMs: atMs - sentAtMs,
          };
        },
      },
    } as unknown as Platform;
  }
}
