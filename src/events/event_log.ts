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

/** Of a successor that does not get the name: it fails, and nothing of this is published. */
const MOST_HELD = 1_000;

interface Subscriber {
  onEvent(record: EventRecord): void;
  /** There are no more. */
  onEnd(why: "handed over" | "ended"): void;
}

interface EventLogOptions {
  readonly clock: Clock;
  /** Of the service. */
  readonly name: string;
  /** Null: there is no runtime directory. */
  readonly file: RingFile | null;
  readonly onError: (error: unknown) => void;
}

export class EventLog {
  #ring = new Ring();
  /** `later`: another baton has the name, and this one is to get it; `no more`: it had it. */
  #owns: "yes" | "later" | "no more" = "later";
  #held: { readonly event: Draft; readonly wallMs: number }[] = [];
  readonly #subscribers = new Set<Subscriber>();

  constructor(readonly options: EventLogOptions) {}

  /** As an observer of the supervisor. */
  onStep(step: Step): void {
    if (step.event.kind === "handed_over") return this.handOver();
    for (const event of eventsOf(step)) this.publish(event);
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
    for (const subscriber of [...this.#subscribers]) {
      try {
        subscriber.onEvent(record);
      } catch (error) {
        this.options.onError(error);
      }
    }
  }

  /** This baton has the name now. @param how comes after what was held back @returns the last id before */
  begin(how: Draft | null = null): number {
    if (this.#owns === "yes") return this.last;
    this.#ring = this.options.file?.read() ?? this.#ring;
    this.#owns = "yes";
    const { last } = this;
    for (const { event, wallMs } of this.#held.splice(0)) this.#publish(event, wallMs);
    if (how !== null) this.publish(how);
    return last;
  }

  /** Another baton has it now, and its clients find the events there. */
  handOver(): void {
    this.#end("handed over");
  }

  /** The service has ended. */
  close(): void {
    if (this.#owns === "yes") this.options.file?.remove();
    this.#end("ended");
  }

  #end(why: "handed over" | "ended"): void {
    this.#owns = "no more";
    const subscribers = [...this.#subscribers];
    this.#subscribers.clear();
    for (const subscriber of subscribers) subscriber.onEnd(why);
  }

  /** @returns those with a greater id that are still kept, oldest first */
  since(id: number): readonly EventRecord[] {
    return this.#ring.since(id);
  }

  /** Of the newest one; 0: there is none. */
  get last(): number {
    return this.#ring.last;
  }

  /** For one that comes too late this is the end. @returns unsubscribes */
  subscribe(subscriber: Subscriber): () => void {
    if (this.#owns === "no more") subscriber.onEnd("ended");
    this.#subscribers.add(subscriber);
    return () => this.#subscribers.delete(subscriber);
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
