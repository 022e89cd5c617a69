/**
 * What baton counts about a service. Until `attach` it counts in memory of its own: a baton that takes over from another
 * must not count before it serves. From then on it counts where others can read it, and where it outlives this process.
 */
import { isLasting, mergeSeries, sampleOf } from "./merge.ts";
import {
  type Labels,
  type Sample,
  SERIES,
  type SeriesKey,
  type SeriesName,
  seriesText,
} from "./series.ts";
import { cellsOf, Slot, SLOT_SIZE, type StoredSeries } from "./slot.ts";

interface Counter {
  add(amount?: number): void;
}

interface Gauge {
  set(value: number): void;
  /** Removes the series, because what it was about is gone: readers see it no more. */
  remove(): void;
}

interface Histogram {
  observe(value: number): void;
}

/** Where the slots of all batons of a service are (`region.ts`). */
export interface SharedSlots {
  /** A slot for this baton, which no reader sees before `publish`; null: none is free. */
  obtain(): Slot | null;
  /** What batons that have ended have counted: `publish` drops it, so it belongs into the new slot. */
  leftBehind(): StoredSeries[];
  /** From here on readers see the obtained slot, and neither the one before it nor those of batons that have ended. */
  publish(): void;
  /** What the other batons of this service that run have counted. */
  ofOthers(): StoredSeries[][];
}

interface Series extends SeriesKey {
  /** The first of its cells in the present slot; null: there was no room. */
  cell: number | null;
}

export class Registry {
  #slot = new Slot(new Uint8Array(SLOT_SIZE));
  #shared: SharedSlots | null = null;
  readonly #series = new Map<string, Series>();
  /** Whether the present slot has series that are gone. */
  #hasGaps = false;

  counter(name: SeriesName, labels: Labels = {}): Counter {
    const series = this.#seriesOf(name, labels);
    return { add: (amount = 1) => this.#add(series, 0, amount) };
  }

  gauge(name: SeriesName, labels: Labels = {}): Gauge {
    return {
      set: (value) => {
        const { cell } = this.#seriesOf(name, labels);
        if (cell !== null) this.#slot.write(cell, value);
      },
      remove: () => this.#remove(seriesText({ name, labels })),
    };
  }

  histogram(name: SeriesName, labels: Labels = {}): Histogram {
    const series = this.#seriesOf(name, labels);
    const { buckets } = series;
    return {
      observe: (value) => {
        const bucket = buckets.findIndex((bound) => value <= bound);
        // The sum first: a reader in between sees a mean that is too high, never a count without its time.
        this.#add(series, buckets.length + 1, value);
        this.#add(series, bucket < 0 ? buckets.length : bucket, 1);
      },
    };
  }

  /** Everything that was counted for this service by now. */
  read(): Sample[] {
    const others = this.#shared?.ofOthers() ?? [];
    return mergeSeries([...others, this.#slot.series()]).map(sampleOf);
  }

  /**
   * Begins to count where others can read it. What batons that have ended have left becomes this one's, with what they
   * said of the service.
   * @returns false when there is no room: it continues to count in its own memory
   */
  attach(shared: SharedSlots): boolean {
    this.#shared = shared;
    return this.#renew(({ kind }) => kind !== "gauge");
  }

  /** Another baton has ended: what it has counted becomes this one's. This one knows better what the service is like. */
  collect(): void {
    if (this.#shared !== null) this.#renew();
  }

  /** Moves to another slot, without what is gone, and with what others have left behind. */
  #renew(stays: (series: StoredSeries) => boolean = isLasting): boolean {
    const slot = this.#shared === null
      ? new Slot(new Uint8Array(SLOT_SIZE))
      : this.#shared.obtain();
    if (slot === null) return false;
    const left = this.#shared?.leftBehind().filter(stays) ?? [];
    for (const stored of mergeSeries([left, this.#slot.series()])) {
      const { cells, ...key } = stored;
      const text = seriesText(key);
      const known = this.#series.get(text) ?? { ...key, cell: null };
      known.cell = slot.add(key, cells);
      this.#series.set(text, known);
    }
    this.#slot = slot;
    this.#hasGaps = false;
    this.#shared?.publish();
    return true;
  }

  #add({ cell }: Series, index: number, amount: number): void {
    if (cell === null) return;
    this.#slot.write(cell + index, this.#slot.value(cell + index) + amount);
  }

  #remove(text: string): void {
    const cell = this.#series.get(text)?.cell ?? null;
    if (cell !== null) {
      this.#slot.markGone(cell);
      this.#hasGaps = true;
    }
    this.#series.delete(text);
  }

  #seriesOf(name: SeriesName, labels: Labels): Series {
    const known = this.#series.get(seriesText({ name, labels }));
    if (known !== undefined) return known;
    const description = SERIES[name];
    const buckets = "buckets" in description ? description.buckets : [];
    const key: SeriesKey = { name, kind: description.kind, labels, buckets };
    const values = Array<number>(cellsOf(key)).fill(0);
    let cell = this.#slot.add(key, values);
    if (cell === null && this.#hasGaps && this.#renew()) cell = this.#slot.add(key, values);
    const series = { ...key, cell };
    this.#series.set(seriesText(key), series);
    return series;
  }
}
