/** When to recreate a removed path, and the log messages about it. Pure. */

/** A path is recreated at once this often; then with longer and longer pauses: a fight must not keep the machine busy. */
const FREE_TIMES = 5;
const PAUSES_MS = [1_000, 2_000, 5_000, 10_000, 30_000, 60_000];
/** A fight is over when nothing has been removed for this long. */
export const QUIET_MS = 2 * 60_000;
/** Removals from which on it looks like a fight. */
const MANY = 4;
const FIRST_RETRY_MS = 1_000;
const LONGEST_RETRY_MS = 60_000;

/** Errors whose end an inotify event announces: a path appears, or its mode changes. "" is an error of baton. */
export const ENDS_WITH_EVENT: readonly string[] = ["", "ENOENT", "ENOTDIR", "EACCES", "EPERM"];

/** @param made how often a path was recreated lately */
export function nextPauseMs(made: number): number {
  return PAUSES_MS[Math.min(made - FREE_TIMES, PAUSES_MS.length - 1)] ?? 0;
}

/** @param failures how often it could not be recreated, for a reason whose end no event announces */
export function retryMs(failures: number): number {
  return Math.min(FIRST_RETRY_MS * 2 ** failures, LONGEST_RETRY_MS);
}

/** @param lost the removed paths by name; `DIRECTORY` for the directory itself */
export const report = {
  /** @param made how often a path was recreated lately */
  restored(directory: string, lost: readonly string[], made: number): string {
    const hint = made < MANY
      ? ""
      : " (something keeps removing it: a unit with the same RuntimeDirectory=? tmpfiles?)";
    return `${lostText(directory, lost)}: recreated${hint}`;
  },
  postponed(directory: string, lost: readonly string[], pauseMs: number): string {
    const seconds = Math.ceil(pauseMs / 1_000);
    return `${lostText(directory, lost)} again: will be recreated in ${seconds} s`;
  },
  trouble(directory: string, lost: readonly string[], why: string): string {
    return lostText(directory, lost) + ` and cannot be recreated: ${why}. The service keeps ` +
      'running, and signals work (HUP reloads, TERM stops); "baton status", "reload" and "stop" ' +
      `will work when ${directory} is usable again`;
  },
} as const;

/** In `lost`: the directory itself. */
export const DIRECTORY = "the directory";

function lostText(directory: string, lost: readonly string[]): string {
  const list = lost.filter((what) => what !== DIRECTORY).join(", ");
  if (!lost.includes(DIRECTORY)) return `${list} removed from ${directory}`;
  return `runtime directory ${directory} was removed${list === "" ? "" : ` (${list})`}`;
}
