/**
 * Clients that waited while nothing served: when the new generation has passed its gate, baton accepts their connections
 * and makes them results of its accept(2).
 *
 * With the socket they would reach it as soon as it listens. Some servers listen long before they are ready, and answer
 * with an error until then (PostgreSQL: "the database system is starting up", redis: LOADING).
 */
import type { Timer } from "../platform/clock.ts";
import { SystemCallError } from "../platform/error.ts";
import type { Fd } from "../platform/fd.ts";
import type { Platform } from "../platform/platform.ts";
import { ownDescriptorCount } from "../platform/own_usage.ts";
import type { Watch } from "../platform/reactor.ts";
import type { Group } from "../steering/group.ts";
import type { PendingAccepts } from "./pending_accepts.ts";
import { WAKE_AGAIN_MS, wakeAcceptors } from "./wake.ts";

/** Until an offered connection must have been accepted. */
const OFFER_MS = 10_000;
/** Connections offered at a time: each needs a descriptor, and baton needs some for itself. */
const MOST_OFFERED = 512;
const RESERVE = 64;
const LOOK_MS = 5;

interface Queue {
  readonly group: Group;
  readonly socket: Fd;
  watch: Watch | null;
}

interface Offer {
  readonly group: Group;
  readonly queue: Queue;
  readonly expiry: Timer;
}

export class WaitingClients {
  readonly #queues = new Set<Queue>();
  readonly #offers = new Set<Offer>();
  #waking: Timer | null = null;

  /** @param onLost the server did not accept a connection in time */
  constructor(
    readonly platform: Platform,
    readonly pendingAccepts: Pick<PendingAccepts, "add">,
    readonly onLost: () => void,
  ) {}

  /**
   * Delivers what is in the queue of `listener`, and what joins it later: handshakes that had begun. Ends when it is shut
   * down. @param listener of a server that is gone
   */
  deliver(group: Group, listener: Fd): void {
    const { descriptors, reactor } = this.platform;
    const queue: Queue = { group, socket: descriptors.duplicate(listener), watch: null };
    this.#queues.add(queue);
    try {
      descriptors.setNonblocking(queue.socket);
      queue.watch = reactor.watch(queue.socket, () => this.#take(queue));
      this.#take(queue);
    } catch (error) {
      this.#end(queue);
      throw error;
    }
  }

  /** Resolves when none is on its way to the server. */
  async whenEmpty(): Promise<void> {
    const { clock } = this.platform;
    while (this.#offers.size > 0) {
      await new Promise<void>((resolve) => clock.after(LOOK_MS, resolve));
    }
  }

  #take(queue: Queue): void {
    const { sockets } = this.platform;
    try {
      while (this.#hasRoom) {
        const connection = sockets.accept(queue.socket);
        if (connection === null) return queue.watch?.arm();
        this.#offer(queue, connection);
      }
    } catch (error) {
      this.#end(queue);
      // A failed system call: the listener does not listen any more.
      if (!(error instanceof SystemCallError)) throw error;
    }
  }

  get #hasRoom(): boolean {
    if (this.#offers.size >= MOST_OFFERED) return false;
    const [limit] = this.platform.processes.fileLimit();
    return this.#offers.size === 0 || ownDescriptorCount() + RESERVE < limit;
  }

  #offer(queue: Queue, socket: Fd): void {
    const { clock } = this.platform;
    const end = () => {
      offer.expiry.cancel();
      this.#offers.delete(offer);
      socket.close();
      if (this.#queues.has(queue)) this.#take(queue);
    };
    const withdraw = this.pendingAccepts.add({ group: queue.group, socket, onTaken: end });
    const expiry = clock.after(OFFER_MS, () => {
      withdraw();
      end();
      this.onLost();
    });
    const offer: Offer = { group: queue.group, queue, expiry };
    this.#offers.add(offer);
    if (this.#waking === null) this.#wake();
  }

  #wake(): void {
    this.#waking = null;
    if (this.#offers.size === 0) return;
    wakeAcceptors(this.platform, [...this.#offers].map(({ group }) => group));
    this.#waking = this.platform.clock.after(WAKE_AGAIN_MS, () => this.#wake());
  }

  #end(queue: Queue): void {
    this.#queues.delete(queue);
    queue.watch?.cancel();
    queue.socket.close();
  }
}
