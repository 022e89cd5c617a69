/** Events as the page gets them: what they say about the time line, and the list of the latest. Pure. */
import * as v from "valibot";

const EVENT = v.looseObject({
  id: v.number(),
  time: v.string(),
  event: v.string(),
  level: v.string(),
  message: v.string(),
  epoch: v.optional(v.number()),
});

export type Happening = v.InferOutput<typeof EVENT>;

/** Event of a generation -> the state that it begins. */
const BEGINS: Readonly<Record<string, string>> = {
  "generation.waiting": "waiting",
  "generation.starting": "starting",
  "generation.listening": "probing",
  "trial.started": "baking",
  "generation.serving": "serving",
  "generation.draining": "draining",
  "generation.stopping": "stopping",
  "generation.killed": "stopping",
  "generation.exited": "exited",
};
const MOST = 200;

/** @returns null for what is no event */
export function parseHappening(text: string): Happening | null {
  try {
    const result = v.safeParse(EVENT, JSON.parse(text));
    return result.success ? result.output : null;
  } catch {
    return null;
  }
}

/** @returns null: it begins no state of a generation */
export function stateBegun(
  { event, epoch, time }: Happening,
): { readonly epoch: number; readonly state: string; readonly atMs: number } | null {
  const state = BEGINS[event];
  const atMs = Date.parse(time);
  return state === undefined || epoch === undefined || Number.isNaN(atMs)
    ? null
    : { epoch, state, atMs };
}

/** The newest first. A stream that was interrupted may tell of some again. */
export class Latest {
  #all: readonly Happening[] = [];

  get all(): readonly Happening[] {
    return this.#all;
  }

  /** @returns whether it is new */
  add(happening: Happening): boolean {
    const at = this.#all.findIndex(({ id }) => id <= happening.id);
    if (this.#all[at]?.id === happening.id) return false;
    const place = at < 0 ? this.#all.length : at;
    this.#all = this.#all.toSpliced(place, 0, happening).slice(0, MOST);
    return true;
  }
}
