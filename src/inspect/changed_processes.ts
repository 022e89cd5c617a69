/** What has changed in a tree of processes between two looks: a server that another copy tells to replace itself does so in its tree. */
import { processName, processStat } from "../platform/process/proc.ts";

/** The start time of each process, which tells it from another one of the same number. */
export function processesIn(pids: readonly number[]): Map<number, number> {
  return new Map(pids.flatMap((pid) => {
    const startTime = processStat(pid)?.startTime;
    return startTime === undefined ? [] : [[pid, startTime]];
  }));
}

interface Change {
  readonly started: readonly number[];
  readonly ended: readonly number[];
}

export function changeOf(
  before: ReadonlyMap<number, number>,
  now: ReadonlyMap<number, number>,
): Change {
  const missingIn = (other: ReadonlyMap<number, number>) => ([pid, time]: [number, number]) =>
    other.get(pid) !== time;
  return {
    started: [...now].filter(missingIn(before)).map(([pid]) => pid),
    ended: [...before].filter(missingIn(now)).map(([pid]) => pid),
  };
}

/** @returns "has started processes: hypnotoad (pid 456)"; null: none */
export function describeRestart(
  before: ReadonlyMap<number, number>,
  now: ReadonlyMap<number, number>,
): string | null {
  const { started, ended } = changeOf(before, now);
  if (started.length === 0) return null;
  const names = started.slice(0, MOST_NAMES).map((pid) =>
    `${processName(pid) ?? "?"} (pid ${pid})`
  );
  const more = started.length > MOST_NAMES ? ", ..." : "";
  const gone = ended.length === 0
    ? ""
    : `, and ended ${ended.map((pid) => `pid ${pid}`).join(", ")}`;
  return `has started processes of its own: ${names.join(", ")}${more}${gone}`;
}

const MOST_NAMES = 3;
