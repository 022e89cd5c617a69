/** The latest events, oldest first, and how far each receiver has got. Bounded. Pure. */
import { type EventRecord, parseRecord } from "./event.ts";

/** Events that are kept: a reload makes about ten. */
export const REMEMBERED = 500;

/** A receiver has got everything up to `done`. */
interface Mark {
  readonly receiver: string;
  readonly done: number;
}

export class Ring {
  #records: EventRecord[] = [];
  readonly #marks = new Map<string, number>();

  /** The id of the newest event; 0: there is none. */
  get last(): number {
    return this.#records.at(-1)?.id ?? 0;
  }

  add(record: EventRecord): void {
    this.#records.push(record);
    // Shortened rarely, because that moves all.
    if (this.#records.length >= 2 * REMEMBERED) this.#records = this.#records.slice(-REMEMBERED);
  }

  mark({ receiver, done }: Mark): void {
    this.#marks.set(receiver, done);
  }

  /** Null: it has got none yet. */
  markOf(receiver: string): number | null {
    return this.#marks.get(receiver) ?? null;
  }

  /** @returns those with a greater id */
  since(id: number): readonly EventRecord[] {
    const first = this.#records.findLastIndex((record) => record.id <= id) + 1;
    return this.#records.slice(Math.max(first, this.#records.length - REMEMBERED));
  }

  /** All of it, one JSON line each. */
  lines(): string[] {
    const marks = [...this.#marks].map(([receiver, done]) => ({ receiver, done }));
    return [...this.since(0), ...marks].map((each) => JSON.stringify(each));
  }

  /** Continues what another baton has written. Lines that it did not finish, or that are not understood, are left out. */
  static from(text: string): Ring {
    const ring = new Ring();
    for (const line of text.split("\n")) {
      const record = parseRecord(line);
      if (record !== null && record.id > ring.last) ring.add(record);
      const mark = record === null ? parseMark(line) : null;
      if (mark !== null) ring.mark(mark);
    }
    return ring;
  }
}

function parseMark(line: string): Mark | null {
  const found = /^\{"receiver":"([a-z-]+)","done":(\d+)\}$/.exec(line);
  return found === null ? null : { receiver: found[1] ?? "", done: Number(found[2]) };
}
