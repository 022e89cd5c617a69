/**
 * Measures kinds of one thing in turn, every second round in the other order, so that other load on the machine affects all
 * of them alike. The first round warms everything up, and does not count.
 */
export async function inTurn<Kind>(
  kinds: readonly Kind[],
  { rounds, measure, onRound }: {
    readonly rounds: number;
    readonly measure: (kind: Kind, isWarmUp: boolean) => Promise<number>;
    readonly onRound: (done: number) => void;
  },
): Promise<ReadonlyMap<Kind, readonly number[]>> {
  const measured = new Map<Kind, number[]>(kinds.map((kind) => [kind, []]));
  for (let round = 0; round <= rounds; round++) {
    for (const kind of round % 2 === 0 ? kinds : kinds.toReversed()) {
      const value = await measure(kind, round === 0);
      if (round > 0) measured.get(kind)?.push(value);
    }
    onRound(round);
  }
  return measured;
}

/** Ratio of each round: what was measured of one kind, by what was measured of another one. */
export function ratios(values: readonly number[], by: readonly number[]): number[] {
  return values.map((value, round) => value / (by[round] ?? NaN));
}
