/**
 * Brings events to one receiver outside: one after the other, in order, each at least once. Never in the way of a reload:
 * what waits is bounded, and nothing waits for a receiver but, for a moment, the end of the service.
 */
import type { Clock, Timer } from "../../platform/clock.ts";
import { errorText } from "../../platform/error.ts";
import type { EventRecord } from "../event.ts";
import { isWanted } from "../event_table.ts";
import { nextTry, type Outcome } from "./next_try.ts";

/** Events that may wait: those of ten reloads with all their steps. */
const MOST_QUEUED = 200;

export interface Receiver {
  /** The option that names the receiver. */
  readonly name: "on-event" | "webhook";
  /** One try. Its `cancel` makes it end soon. */
  attempt(record: EventRecord): { readonly outcome: Promise<Outcome>; cancel(): void };
}

interface DeliveryOptions {
  readonly clock: Clock;
  readonly receiver: Receiver;
  /** Patterns of the names that it gets. */
  readonly events: readonly string[];
  readonly warn: (message: string) => void;
  /** Called when the receiver has got everything up to this event. */
  readonly onDone: (id: number) => void;
}

export class Delivery {
  #queue: EventRecord[] = [];
  #lost = 0;
  /** Tries of the first event in the queue; null: none is under way, and none waits for its next try. */
  #current: { readonly firstTryMs: number; tries: number } | null = null;
  #cancel: () => void = () => {};
  #timer: Timer | null = null;
  #whenIdle: (() => void)[] = [];
  /** Whether nothing is tried for now. */
  #isResting = false;
  /** Called when the try that is under way has ended; null: none is. */
  #whenTried: (() => void)[] | null = null;
  #isInterrupted = false;

  constructor(readonly options: DeliveryOptions) {}

  get name(): Receiver["name"] {
    return this.options.receiver.name;
  }

  offer(record: EventRecord): void {
    if (!isWanted(record, this.options.events)) return;
    this.#queue.push(record);
    // The first event is under way, so the next one is dropped.
    if (this.#queue.length > MOST_QUEUED) this.#lose(this.#queue.splice(1, 1));
    if (this.#current === null) this.#begin();
  }

  #lose({ length }: readonly EventRecord[]): void {
    const { receiver, warn } = this.options;
    if (this.#lost === 0) {
      warn(`--${receiver.name} is too slow: the oldest events that wait are dropped`);
    }
    this.#lost += length;
  }

  #begin(): void {
    this.#current = { firstTryMs: this.options.clock.now(), tries: 0 };
    this.#try();
  }

  #try(): void {
    const [record] = this.#queue;
    if (record === undefined || this.#current === null || this.#isResting) return;
    this.#current.tries++;
    const whenTried: (() => void)[] = this.#whenTried = [];
    const { outcome, cancel } = this.options.receiver.attempt(record);
    this.#cancel = cancel;
    outcome.catch((error): Outcome => ({ kind: "retry", why: errorText(error) }))
      .then((result) => {
        if (this.#whenTried === whenTried) this.#whenTried = null;
        if (!this.#isInterrupted) this.#onOutcome(record, result);
        for (const then of whenTried) then();
      });
  }

  #onOutcome(record: EventRecord, outcome: Outcome): void {
    if (this.#current === null) return;
    const { receiver: { name }, clock, warn } = this.options;
    const { tries, firstTryMs } = this.#current;
    const next = nextTry(outcome, tries, clock.now() - firstTryMs);
    if (next.kind === "again") {
      if (tries === 1) warn(`--${name}: ${record.event} is not delivered yet: ${next.why}`);
      this.#timer = clock.after(next.afterMs, () => this.#try());
      return;
    }
    if (next.kind === "given up") warn(`--${name}: ${record.event} is not delivered: ${next.why}`);
    this.options.onDone(record.id);
    this.#queue.shift();
    if (this.#lost > 0 && this.#queue.length === 0) {
      warn(`--${name}: ${this.#lost} events were dropped`);
      this.#lost = 0;
    }
    this.#current = null;
    if (this.#queue.length > 0) this.#begin();
    else this.#becomeIdle();
  }

  /** Calls `then` when nothing waits any more, or after `limitMs`: what waits then is dropped, which is said. */
  finish(limitMs: number, then: () => void): void {
    if (this.#current === null) return then();
    const { clock, receiver, warn } = this.options;
    const limit = clock.after(limitMs, () => {
      const count = this.#queue.length + this.#lost;
      const events = count === 1 ? "1 event is" : `${count} events are`;
      warn(`--${receiver.name}: ${events} not delivered: the service has ended`);
      this.stop();
    });
    this.#whenIdle.push(() => {
      limit.cancel();
      then();
    });
  }

  /** Tries nothing more. Calls `then` when nothing is under way, which is interrupted after `limitMs`. */
  rest(limitMs: number, then: () => void): void {
    this.#isResting = true;
    this.#timer?.cancel();
    if (this.#whenTried === null) return then();
    const limit = this.options.clock.after(limitMs, () => {
      this.#isInterrupted = true;
      this.#cancel();
    });
    this.#whenTried.push(() => {
      limit.cancel();
      then();
    });
  }

  /** Continues after a rest. */
  resume(): void {
    if (!this.#isResting) return;
    this.#isResting = false;
    this.#isInterrupted = false;
    this.#timer?.cancel();
    if (this.#current !== null && this.#whenTried === null) this.#try();
  }

  /** Stops: what waits is dropped, or left to the next baton. */
  stop(): void {
    this.#queue = [];
    this.#timer?.cancel();
    this.#cancel();
    this.#current = null;
    this.#becomeIdle();
  }

  #becomeIdle(): void {
    for (const then of this.#whenIdle.splice(0)) then();
  }
}
