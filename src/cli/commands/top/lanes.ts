/** What each generation was at the latest looks: its lane, of one character for each look. Pure. */

interface Look {
  readonly generations: readonly { readonly epoch: number; readonly state: string }[];
}

/** By epoch, oldest look first. All lanes are equally long. */
export type Lanes = ReadonlyMap<number, string>;

export const NO_LANES: Lanes = new Map();

/** Looks that a lane keeps: as many as the widest terminal shows. */
const LONGEST = 500;

/** What a look shows in each state: marks that differ without color. */
export const MARKS: Readonly<Record<string, string>> = {
  waiting: ",",
  starting: ".",
  probing: ":",
  baking: "+",
  serving: "#",
  draining: "=",
  stopping: "-",
};
const ABSENT = " ";

/** Lanes in which nothing is left to see are dropped. */
export function withLook(lanes: Lanes, { generations }: Look): Lanes {
  const length = Math.max(0, ...[...lanes.values()].map((lane) => lane.length));
  const states = new Map(generations.map(({ epoch, state }) => [epoch, state]));
  const next = new Map<number, string>();
  for (const epoch of new Set([...lanes.keys(), ...states.keys()])) {
    const before = lanes.get(epoch) ?? ABSENT.repeat(length);
    const lane = `${before}${MARKS[states.get(epoch) ?? ""] ?? ABSENT}`.slice(-LONGEST);
    if (lane.trim() !== "") next.set(epoch, lane);
  }
  return next;
}

/** The latest looks in `columns`, the newest at the right end. */
export function laneOf(lanes: Lanes, epoch: number, columns: number): string {
  return (lanes.get(epoch) ?? "").slice(-columns).padStart(columns);
}
