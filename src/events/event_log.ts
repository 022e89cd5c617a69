/**
 * The events of a service in their order: kept, and passed on to those who asked for them.
 *
 * One baton at a time writes them: the one that has the service's name. A successor keeps what happens to it until it
 * has that, and then continues its predecessor's order; from then on the predecessor says nothing more.
 */
import type { Clock } from "../platform/clock.ts";
import type { Step } from "../report/step.ts";
import { type Draft, type EventRecord, recordOf } from "./event.ts";
import { eventsOf } from "./events_of.ts";
import { Ring } from "./ring.ts";
import type { RingFile } from "./ring_file.ts";

/**
 * Events of a successor that are held at most: one that does not get the name has failed, and nothing of this is
 * published.
 */
const MOST_HELD = 1_000;

interface Subscriber {
  onEvent(record: EventRecord): void;
  /** No more events come. */
  onEnd(why: "handed over" | "ended"): void;
}

interface EventLogOptions {
  readonly clock: Clock;
  /** The name of the service. */
  readonly name: string;
  /** The file of events; null: there is no runtime directory. */
  readonly file: RingFile | null;
  readonly onError: (error: unknown) => void;
}

export class EventLog {
  #ring = new Ring();
  /**
   * Whether this baton has the name. `later`: another one has it, and this one is to get it; `no more`: this one had
   * it.
   */
  #owns: "yes" | "later" | "no more" = "later";
  #held: { readonly event: Draft; readonly wallMs: number }[] = [];
  readonly #subscribers = new Set<Subscriber>();
  /** Subscribers that came before this baton had the name, and the last event that each knows. */
  readonly #early = new Map<Subscriber, number>();

  constructor(readonly options: EventLogOptions) {}

  /** Called by the supervisor after each step. */
  onStep(step: Step): void {
    const { event } = step;
    // A successor under another name does not continue this log, which ends with this baton.
    if (event.kind === "handed_over" && event.successor === undefined) return this.handOver();
    for (const each of eventsOf(step)) this.publish(each);
  }

  publish(event: Draft): void {
    const wallMs = this.options.clock.wallMs();
    if (this.#owns === "yes") this.#publish(event, wallMs);
    else if (this.#owns === "later" && this.#held.length < MOST_HELD) {
      this.#held.push({ event, wallMs });
    }
  }

  #publish(event: Draft, wallMs: number): void {
    const { name, file } = this.options;
    const record = recordOf(event, { name, last: this.#ring.last, wallMs });
    this.#ring.add(record);
    file?.append(record, this.#ring);
    for (const subscriber of [...this.#subscribers]) this.#tell(subscriber, record);
  }

  #tell(subscriber: Subscriber, record: EventRecord): void {
    try {
      subscriber.onEvent(record);
    } catch (error) {
      this.options.onError(error);
    }
  }

  /** This baton has the name now. @param how comes after what was held back @returns the last id before */
  begin(how: Draft | null = null): number {
    if (this.#owns === "yes") return this.last;
    this.#ring = this.options.file?.read() ?? this.#ring;
    this.#owns = "yes";
    const { last } = this;
    for (const [subscriber, known] of this.#early) {
      for (const record of this.since(known)) this.#tell(subscriber, record);
    }
    this.#early.clear();
    for (const { event, wallMs } of this.#held.splice(0)) this.#publish(event, wallMs);
    if (how !== null) this.publish(how);
    return last;
  }

  /** Another baton has the name now, and clients find the events there. */
  handOver(): void {
    this.#end("handed over");
  }

  /** This baton ends. @param isLast no other one has the name: the service has ended, or continues under another name */
  close(isLast: boolean): void {
    const isLeft = isLast && this.#owns === "no more";
    if (this.#owns === "yes" || isLeft) this.options.file?.remove();
    this.#end("ended");
  }

  #end(why: "handed over" | "ended"): void {
    this.#owns = "no more";
    const subscribers = [...this.#subscribers];
    this.#subscribers.clear();
    this.#early.clear();
    for (const subscriber of subscribers) subscriber.onEnd(why);
  }

  /** @returns those with a greater id that are still kept, oldest first */
  since(id: number): readonly EventRecord[] {
    return this.#known.since(id);
  }

  /** The id of the newest event; 0: there is none. */
  get last(): number {
    return this.#known.last;
  }

  /** Until this baton has the name, the one before it writes. */
  get #known(): Ring {
    const { file } = this.options;
    return this.#owns === "later" && file !== null ? file.look() : this.#ring;
  }

  /**
   * Subscribes. For a subscriber that comes too late this is the end.
   * @param after the last event that is known; null: only what happens from now on
   * @returns unsubscribes
   */
  subscribe(subscriber: Subscriber, after: number | null = null): () => void {
    const known = this.#known;
    for (const record of after === null ? [] : known.since(after)) this.#tell(subscriber, record);
    if (this.#owns === "no more") {
      subscriber.onEnd("ended");
      return () => {};
    }
    if (this.#owns === "later") this.#early.set(subscriber, Math.max(after ?? 0, known.last));
    this.#subscribers.add(subscriber);
    return () => {
      this.#subscribers.delete(subscriber);
      this.#early.delete(subscriber);
    };
  }

  /** Whether this baton has the name, and says what happens. */
  get isOwner(): boolean {
    return this.#owns === "yes";
  }

  /** How far a receiver has got that the next baton continues; null: it is new. */
  markOf(receiver: string): number | null {
    return this.#ring.markOf(receiver);
  }

  mark(receiver: string, done: number): void {
    this.#ring.mark({ receiver, done });
    // The next baton may have sent more by now.
    if (this.#owns === "yes") this.options.file?.append({ receiver, done }, this.#ring);
  }
}
