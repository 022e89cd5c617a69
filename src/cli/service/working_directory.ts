/** The working directory of baton: one that a deploy cannot remove. */
import type { Config } from "../../config/config.ts";
import { NO_PIDFILE } from "../../config/presets.ts";
import { UserError } from "../../config/values/errors.ts";
import { signalNumber } from "../../config/values/signals.ts";
import { isText } from "../../platform/bytes.ts";
import { resolvePath } from "../../platform/files/path.ts";
import type { Platform } from "../../platform/platform.ts";
import { ignoresSignal } from "../../platform/process/capabilities.ts";
import { logicalDirectory, originalFileLimit } from "../../process/launch_plan.ts";
import type { LaunchContext } from "../../succession/state/resume_state.ts";

/** What baton finds at its start, before it changes anything. */
export function launchContextOf(
  platform: Platform,
  env: Readonly<Record<string, string>>,
  config: Config,
): LaunchContext {
  const { processes, files } = platform;
  const physicalDirectory = files.directory();
  const directory = logicalDirectory(env, physicalDirectory, files.at);
  return {
    directory,
    physicalDirectory,
    stays: config.cwd === null && !processes.entersDirectory(directory),
    fileLimit: originalFileLimit(processes.parentPid(), processes.fileLimit()),
    ignoresHangup: ignoresSignal(signalNumber("SIGHUP")),
  };
}

/**
 * Changes to "/" and makes the paths in `config` absolute. A deploy may remove the directory that baton was started in,
 * and Bun and Deno do not start in a missing directory: no launcher would work any more. The directory of the server
 * keeps its symlinks, which the next release may move. A directory that cannot be entered again (`sudo -u app` in
 * /root) is kept.
 * @throws {UserError} when a file of baton's own would be at a path that is not UTF-8
 */
export function leaveDirectory(
  platform: Platform,
  config: Config,
  context: LaunchContext,
): Config {
  const absolute = absolutePaths(config, context);
  if (!context.stays) platform.processes.changeDirectory("/");
  return absolute;
}

/** @throws {UserError} as `leaveDirectory` does */
export function absolutePaths(
  config: Config,
  { directory, physicalDirectory: physical, stays }: LaunchContext,
): Config {
  const { cwd, pidfile, serverPidfile, logFile, runtimeDir, takeover, handoffSocket } = config;
  const { adminTokenFile, otlpHeadersFile, webhookSecretFile } = config;
  const absolute = (path: string | null, option: string) =>
    path === null ? null : inText(resolvePath(physical, path), option);
  const own = absolute(pidfile, "--pidfile");
  const ofServer = serverPidfile === NO_PIDFILE
    ? NO_PIDFILE
    : absolute(serverPidfile, "--server-pidfile");
  if (own !== null && own === ofServer) {
    throw new UserError(`Cannot use ${own} for both --pidfile and --server-pidfile`, {
      remedy: "--pidfile names baton, --server-pidfile the server: give each a file of its own",
    });
  }
  return {
    ...config,
    cwd: stays ? physical : underDirectory(directory, cwd),
    pidfile: own,
    serverPidfile: ofServer,
    logFile: logFile === null ? null : resolvePath(physical, logFile),
    adminTokenFile: absolute(adminTokenFile, "--admin-token-file"),
    otlpHeadersFile: absolute(otlpHeadersFile, "--otlp-headers-file"),
    webhookSecretFile: absolute(webhookSecretFile, "--webhook-secret-file"),
    runtimeDir: absolute(runtimeDir, "--runtime-dir"),
    takeover: absolute(takeover, "--takeover"),
    handoffSocket: absolute(handoffSocket, "--handoff-socket"),
    front: config.front.map((front) => ({ ...front, file: resolvePath(physical, front.file) })),
  };
}

/** @throws {UserError} for a path that `node:fs` would alter */
function inText(path: string, option: string): string {
  if (isText(path)) return path;
  throw new UserError(`Cannot use ${path} for ${option}: the path is not UTF-8`, {
    remedy: `Give ${option} another path, one that begins with "/"`,
  });
}

/** Not normalized: behind a symlink ".." is another directory. */
function underDirectory(base: string, path: string | null): string {
  if (path === null) return base;
  return path.startsWith("/") ? path : `${base}/${path}`;
}
