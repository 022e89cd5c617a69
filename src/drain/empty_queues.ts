/**
 * Whether nothing more comes out of accept queues that get nothing new. Pure.
 *
 * A handshake that began before the switch still ends in one of them; one that begins later belongs to other members, so
 * only those of all looks so far count. The queues must be found empty twice, because a look takes its time: a connection
 * may be between the table of handshakes and the queue.
 */
const EMPTY_LOOKS = 2;

interface QueueLook {
  /** Connections that wait to be accepted. */
  readonly waiting: number;
  /** Clients with an unfinished handshake, at any member of the group. */
  readonly halfOpen: ReadonlySet<string>;
  /** Whether a connection may be on its way for another reason. */
  readonly mayCome?: boolean;
}

export class EmptyQueues {
  #halfOpen: ReadonlySet<string> | null = null;
  #emptyLooks = 0;

  /** Whether the queues were empty often enough: later looks change nothing. */
  get areProved(): boolean {
    return this.#emptyLooks >= EMPTY_LOOKS;
  }

  look({ waiting, halfOpen, mayCome = false }: QueueLook): void {
    if (this.areProved) return;
    this.#halfOpen = this.#halfOpen?.intersection(halfOpen) ?? halfOpen;
    const isEmpty = waiting + this.#halfOpen.size === 0 && !mayCome;
    this.#emptyLooks = isEmpty ? this.#emptyLooks + 1 : 0;
  }
}
