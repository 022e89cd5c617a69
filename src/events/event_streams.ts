/**
 * The readers of `GET /v1/events`: each gets what is kept after the event that it knows, then what happens. As server-sent
 * events, which browsers resume by themselves (HTML standard, 9.2). A reader that does not read is dropped, and can come
 * back with the last id that it got: baton keeps nothing else for it, and waits for none.
 */
import type { Clock, Timer } from "../platform/clock.ts";
import type { EventRecord } from "./event.ts";
import type { EventLog } from "./event_log.ts";
import { isWanted } from "./event_table.ts";

/** Readers at each door: those who reach an address take no place from the owner. */
const MOST_READERS = 100;
/** Characters that may wait for one reader: more than all that is kept. */
const MOST_WAITING = 1024 * 1024;
/** Between two signs of life: proxies close what is silent for a minute. Shows also who has left without a word. */
const HEARTBEAT_MS = 15_000;
/** Lines that belong to no event, without an empty one: some clients make an event of that (findings/). */
const HEARTBEAT = ": alive\n";
/** What a browser waits before it connects again, in milliseconds. */
const GREETING = "retry: 1000\n";

interface EventStreamsOptions {
  readonly log: EventLog;
  readonly clock: Clock;
  /** @param total how many readers have been dropped so far */
  readonly onDropped: (total: number) => void;
}

export class EventStreams {
  readonly #readers = new Map<Reader, string>();
  #heartbeat: Timer | null = null;
  #dropped = 0;

  constructor(readonly options: EventStreamsOptions) {}

  /** @returns what is kept, one JSON line each */
  lines(after: number, patterns: readonly string[]): string {
    const wanted = this.options.log.since(after).filter((record) => isWanted(record, patterns));
    return wanted.map((record) => `${asciiJson(record)}\n`).join("");
  }

  /**
   * @param after id of the last event that is known; null: only what happens from now on
   * @param door by which the reader has come
   * @returns null: too many read
   */
  open(
    after: number | null,
    patterns: readonly string[],
    door: string,
  ): ReadableStream<Uint8Array> | null {
    const present = [...this.#readers.values()].filter((each) => each === door).length;
    if (present >= MOST_READERS) return null;
    const { log } = this.options;
    let unsubscribe = () => {};
    const reader: Reader = new Reader(() => {
      this.#readers.delete(reader);
      unsubscribe();
      if (this.#readers.size === 0) this.#stopHeartbeat();
    });
    const send = (record: EventRecord) => {
      if (!isWanted(record, patterns) || reader.offer(eventText(record))) return;
      reader.drop();
      this.options.onDropped(++this.#dropped);
    };
    this.#readers.set(reader, door);
    if (this.#heartbeat === null) this.#scheduleHeartbeat();
    reader.offer(GREETING);
    unsubscribe = log.subscribe({ onEvent: send, onEnd: () => reader.end() }, after);
    if (!this.#readers.has(reader)) unsubscribe();
    return reader.stream;
  }

  #scheduleHeartbeat(): void {
    this.#heartbeat = this.options.clock.after(HEARTBEAT_MS, () => {
      for (const reader of this.#readers.keys()) if (reader.isIdle) reader.offer(HEARTBEAT);
      this.#scheduleHeartbeat();
    });
  }

  #stopHeartbeat(): void {
    this.#heartbeat?.cancel();
    this.#heartbeat = null;
  }
}

/** What waits for one reader. */
class Reader {
  readonly stream: ReadableStream<Uint8Array>;
  #controller: ReadableStreamDefaultController<Uint8Array> | null = null;
  #waiting = "";
  /** Set while the reader has asked for more, and there was nothing. */
  #asked: (() => void) | null = null;
  #ended = false;

  constructor(readonly onGone: () => void) {
    this.stream = new ReadableStream<Uint8Array>({
      start: (controller) => void (this.#controller = controller),
      pull: () => this.#pull(),
      cancel: () => this.#leave(),
    }, { highWaterMark: 0 });
  }

  /** Whether everything so far has been taken. */
  get isIdle(): boolean {
    return this.#waiting === "";
  }

  /** @returns false: too much waits already */
  offer(text: string): boolean {
    if (this.#waiting.length + text.length > MOST_WAITING) return false;
    this.#waiting += text;
    this.#answer();
    return true;
  }

  #pull(): Promise<void> {
    return new Promise((resolve) => {
      this.#asked = resolve;
      this.#answer();
    });
  }

  #answer(): void {
    const resolve = this.#asked;
    if (resolve === null || (this.isIdle && !this.#ended)) return;
    this.#asked = null;
    if (!this.isIdle) this.#controller?.enqueue(new TextEncoder().encode(this.#waiting));
    this.#waiting = "";
    if (this.#ended) this.#controller?.close();
    resolve();
  }

  /** Nothing more comes: what waits is still read. */
  end(): void {
    this.#ended = true;
    this.onGone();
    this.#answer();
  }

  /** An error, so that the connection is closed at once and not when the client reads on. */
  drop(): void {
    this.#waiting = "";
    this.#leave();
    this.#controller?.error(new Error("the reader was too slow"));
  }

  #leave(): void {
    this.#ended = true;
    this.#asked?.();
    this.#asked = null;
    this.onGone();
  }
}

function eventText(record: EventRecord): string {
  return `id: ${record.id}\ndata: ${asciiJson(record)}\n\n`;
}

/**
 * JSON in ASCII: for clients that guess the encoding, or take more characters than two for ends of lines (findings/).
 */
function asciiJson(record: EventRecord): string {
  return JSON.stringify(record).replaceAll(
    /[\u007f-\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
