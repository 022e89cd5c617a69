/** When something that was removed is made again, and what the log says of it. Pure. */

/** Before something is made again, by how often it was made lately: a fight must not keep a machine busy. */
export const MAKE_AGAIN_PAUSES_MS: readonly number[] = [
  ...[0, 0, 0, 0, 0, 1_000, 2_000, 5_000, 10_000, 30_000, 60_000],
];
/** From here on it looks like a fight. */
const MANY = 4;
const FIRST_RETRY_MS = 1_000;
const LONGEST_RETRY_MS = 60_000;

/** Errors whose end can be seen: something comes, or gets other permissions. "" is one of our own. */
export const WAITS_FOR_SIGN: readonly string[] = ["", "ENOENT", "ENOTDIR", "EACCES", "EPERM"];

/** @param made how often something was made again lately */
export function nextPauseMs(made: number): number {
  return MAKE_AGAIN_PAUSES_MS[Math.min(made, MAKE_AGAIN_PAUSES_MS.length - 1)] ?? 0;
}

/** @param failures how often it could not be made, for a reason whose end nothing tells of */
export function retryMs(failures: number): number {
  return Math.min(FIRST_RETRY_MS * 2 ** failures, LONGEST_RETRY_MS);
}

/** @param lost what was removed; `DIRECTORY` for the directory itself */
export const report = {
  /** @param made how often something was made again lately */
  restored(directory: string, lost: readonly string[], made: number): string {
    const hint = made < MANY
      ? ""
      : " (something removes it again and again: a unit with the same RuntimeDirectory=? tmpfiles?)";
    return `${lostText(directory, lost)}: made again${hint}`;
  },
  postponed(directory: string, lost: readonly string[], pauseMs: number): string {
    return `${lostText(directory, lost)}, again: made again in ${Math.ceil(pauseMs / 1_000)} s`;
  },
  trouble(directory: string, lost: readonly string[], why: string): string {
    return `${
      lostText(directory, lost)
    }, and cannot be made again now: ${why}. The service still runs, and ` +
      'signals work (HUP reloads, TERM stops); "baton status", "reload" and "stop" work again when ' +
      `${directory} can be used again`;
  },
} as const;

/** In `lost`: the directory itself. */
export const DIRECTORY = "the directory";

function lostText(directory: string, lost: readonly string[]): string {
  const list = lost.filter((what) => what !== DIRECTORY).join(", ");
  if (!lost.includes(DIRECTORY)) return `${list} removed from ${directory}`;
  return `runtime directory ${directory} was removed${list === "" ? "" : ` (${list})`}`;
}
