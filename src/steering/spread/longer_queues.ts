/**
 * `--spread least`: the members whose accept queue is longer than the average of all. Pure.
 *
 * Those that remain are about half of the members where all have something to do, so that what comes until the next look
 * does not all meet the one with the shortest queue. It is never all of them.
 */
export function longerQueues<Id>(queues: ReadonlyMap<Id, number>): Set<Id> {
  const average = [...queues.values()].reduce((sum, length) => sum + length, 0) / queues.size;
  return new Set([...queues].filter(([, length]) => length > average).map(([id]) => id));
}

/** @returns whether both have the same queues with the same lengths */
export function sameQueues<Id>(a: ReadonlyMap<Id, number>, b: ReadonlyMap<Id, number>): boolean {
  return a.size === b.size && [...a].every(([id, length]) => b.get(id) === length);
}
