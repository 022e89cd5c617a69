/** Whether what was seen of a row is what its verdict promises. Pure. */
import type { ServerRow } from "./row.ts";
import type { RunOptions, Seen } from "./run.ts";

/** What is wrong, in words; empty: nothing. */
export function faultsOf(
  row: ServerRow,
  seen: Seen,
  { isTweaked, keepsPidFile }: RunOptions,
): string[] {
  const isRefused = row.verdict === "needs" && !isTweaked;
  const faults = isRefused ? refusalFaults(row, seen) : reloadFaults(row, seen, keepsPidFile);
  if (seen.lost > 0) {
    faults.push(`lost ${seen.failures}: ${seen.errors[0] ?? ""}`);
  }
  if (seen.dataLost.length > 0) faults.push(`data lost: ${seen.dataLost.join(" ")}`);
  if (seen.exit.code !== 0) {
    faults.push(`baton ended with ${seen.exit.code ?? seen.exit.signal}, not 0`);
  }
  if (seen.leftovers.length > 0) faults.push(`left behind: ${seen.leftovers.join("; ")}`);
  return faults;
}

function reloadFaults(row: ServerRow, seen: Seen, keepsPidFile: boolean): string[] {
  const faults = seen.reloads.flatMap(({ result, why }, index) =>
    result === "ok" ? [] : [`reload ${index + 1} was ${result}: ${why}`]
  );
  const bare = row.pidFile ?? "-";
  const expected = keepsPidFile && bare !== "-" ? "kept" : bare;
  if (seen.pidFile !== expected) faults.push(`pid file is ${seen.pidFile}, not ${expected}`);
  return faults;
}

function refusalFaults(row: ServerRow, seen: Seen): string[] {
  return seen.reloads.flatMap(({ result, why }, index) => {
    if (result !== "failed") return [`reload ${index + 1} was ${result}, not failed`];
    if (row.refusal?.test(why) === false) {
      return [`reload ${index + 1} does not say ${row.refusal.source}: ${why}`];
    }
    return [];
  });
}
