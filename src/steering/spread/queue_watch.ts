/**
 * `--spread least`: looks at the accept queues of one group's members while connections wait in them, and says which
 * members are to be avoided. Without clients it does nothing: each member is armed for one event, the next connection
 * that waits. While nothing changes (a server that hangs, and no new clients) it looks less and less often, and after looks
 * that found all queues empty it arms them later: an event costs more than a look.
 */
import type { Timer } from "../../platform/clock.ts";
import { orNull } from "../../platform/error.ts";
import type { Member } from "../member.ts";
import { longerQueues, sameQueues } from "./longer_queues.ts";
import type { Spread } from "./spread.ts";

/** Between two looks: a server that is not busy has accepted by then. */
const LOOK_MS = 5;
const LONGEST_PAUSE_MS = 1_000;
/** From a look that found all queues empty until the members are armed again, at most. */
const LONGEST_REST_MS = 20;
const READ = { read: true };

export class QueueWatch {
  readonly #armed = new Set<Member>();
  #timer: Timer | null = null;
  #pauseMs = LOOK_MS;
  #restMs = 0;
  #seen: ReadonlyMap<number, number> = new Map();

  /**
   * @param receiving members that get new connections
   * @param avoid gets the ids of those that are to get nothing until the next call
   */
  constructor(
    readonly spread: Pick<Spread, "clock" | "waitingIn">,
    readonly receiving: () => readonly Member[],
    readonly avoid: (ids: ReadonlySet<number>) => void,
  ) {}

  /** The members that receive may have changed. */
  update(): void {
    if (this.#timer === null) this.#arm(this.receiving());
  }

  /** What the watch of `member` is to be armed for after an event that meant nothing. */
  interestOf(member: Member): { read?: boolean } {
    return this.#armed.has(member) ? READ : {};
  }

  /** The event of a watch: a connection waits, or has waited. */
  onWaiting(member: Member): void {
    this.#armed.delete(member);
    if (this.#timer !== null && this.#pauseMs === LOOK_MS) return;
    this.#pauseMs = LOOK_MS;
    this.#after(LOOK_MS, () => this.#look());
  }

  forget(member: Member): void {
    this.#armed.delete(member);
  }

  close(): void {
    this.#timer?.cancel();
    this.#timer = null;
    this.#armed.clear();
  }

  #arm(members: readonly Member[]): void {
    // With one member there is nothing to choose.
    if (this.receiving().length < 2) return;
    for (const member of members) {
      if (this.#armed.has(member)) continue;
      this.#armed.add(member);
      member.shutDownWatch?.arm(READ);
    }
  }

  #after(delayMs: number, then: () => void): void {
    this.#timer?.cancel();
    this.#timer = this.spread.clock.after(delayMs, () => {
      this.#timer = null;
      then();
    });
  }

  #look(): void {
    const members = this.receiving();
    const queues = new Map(members.map((member) => [member.id, this.#lengthOf(member)]));
    const isUnchanged = sameQueues(queues, this.#seen);
    this.#seen = queues;
    this.avoid(longerQueues(queues));
    const isEmpty = (member: Member) => queues.get(member.id) === 0;
    if (members.length < 2 || members.every(isEmpty)) {
      this.#pauseMs = LOOK_MS;
      this.#after(this.#restMs, () => this.update());
      this.#restMs = Math.min(this.#restMs + LOOK_MS, LONGEST_REST_MS);
      return;
    }
    this.#restMs = 0;
    this.#pauseMs = isUnchanged ? Math.min(2 * this.#pauseMs, LONGEST_PAUSE_MS) : LOOK_MS;
    if (isUnchanged) this.#arm(members.filter(isEmpty));
    this.#after(this.#pauseMs, () => this.#look());
  }

  /** The length of its queue; 0 where it cannot be asked. */
  #lengthOf({ heldUntilRetired }: Member): number {
    return orNull(() => this.spread.waitingIn(heldUntilRetired)) ?? 0;
  }
}
