/** Where baton itself is while it runs: nowhere that a deploy may remove. */
import { isAbsolute, resolve } from "node:path";
import type { Config } from "../config/config.ts";
import { signalNumber } from "../config/signals.ts";
import { entersDirectory } from "../platform/directory.ts";
import type { Platform } from "../platform/platform.ts";
import { ignoresSignal, ownDirectory } from "../platform/proc.ts";
import { logicalDirectory, originalFileLimit } from "../supervisor/plan.ts";
import type { Surroundings } from "../upgrade/resume_state.ts";

/** Looks around at the start of baton, before anything is changed. */
export function surroundingsOf(
  platform: Platform,
  env: Readonly<Record<string, string>>,
  config: Config,
): Surroundings {
  const physicalDirectory = ownDirectory();
  const directory = logicalDirectory(env, physicalDirectory);
  const { processes } = platform;
  return {
    directory,
    physicalDirectory,
    stays: config.cwd === null && !entersDirectory(processes, directory),
    fileLimit: originalFileLimit(processes.parentPid(), processes.fileLimit()),
    ignoresHangup: ignoresSignal(signalNumber("SIGHUP")),
  };
}

/**
 * Goes to "/" and makes the paths in `config` absolute. A deploy may remove the directory that baton
 * was started in, and then no launcher would start any more: Bun and Deno refuse to run in a
 * directory that is gone. The server's own keeps its symlinks, which the next release may move.
 * A directory that cannot be entered again (`sudo -u app` in /root) is not left.
 */
export function leaveDirectory(
  platform: Platform,
  config: Config,
  { directory, physicalDirectory: physical, stays }: Surroundings,
): Config {
  const absolute = (path: string | null) => path === null ? null : resolve(physical, path);
  const { cwd, pidfile, logFile, runtimeDir, takeover, handoffSocket } = config;
  if (!stays) platform.processes.changeDirectory("/");
  return {
    ...config,
    cwd: stays ? physical : underDirectory(directory, cwd),
    pidfile: absolute(pidfile),
    logFile: absolute(logFile),
    runtimeDir: absolute(runtimeDir),
    takeover: absolute(takeover),
    handoffSocket: absolute(handoffSocket),
  };
}

/** Not normalised: behind a symlink ".." is another directory. */
function underDirectory(base: string, path: string | null): string {
  if (path === null) return base;
  return isAbsolute(path) ? path : `${base}/${path}`;
}
