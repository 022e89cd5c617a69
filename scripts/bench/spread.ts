/** Several runs of one measurement. */
export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

export function spread(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  const [low, high] = [Math.floor((sorted.length - 1) / 2), Math.ceil((sorted.length - 1) / 2)];
  return {
    median: ((sorted[low] ?? NaN) + (sorted[high] ?? NaN)) / 2,
    min: sorted[0] ?? NaN,
    max: sorted.at(-1) ?? NaN,
  };
}

/** The cells of a table's row. */
export function spreadRow(
  names: string | readonly string[],
  { median, min, max }: Spread,
  digits = 1,
): string[] {
  return [...[names].flat(), ...[median, min, max].map((value) => value.toFixed(digits))];
}

/** Milliseconds that each of several calls takes, one after the other. */
export async function timesOf(runs: number, call: () => Promise<unknown>): Promise<number[]> {
  const times: number[] = [];
  for (let run = 0; run < runs; run++) {
    const startedAt = performance.now();
    await call();
    times.push(performance.now() - startedAt);
  }
  return times;
}
