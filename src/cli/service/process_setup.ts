/** The process of `baton run`, in both modes: its program, its runtime directory, its name, its errors, its memory. */
import {
  checkPathLength,
  prepareDirectory,
  runtimeDirectory,
  servicePaths,
} from "../../admin/paths.ts";
import type { Config } from "../../config/config.ts";
import { UserError } from "../../config/values/errors.ts";
import { EXIT_BUSY } from "../console/exit_status.ts";
import { Logger } from "../../log/logger.ts";
import { MemoryReturn } from "../../platform/memory_return.ts";
import type { Platform } from "../../platform/platform.ts";
import { commandLineOf } from "../../platform/process/proc.ts";
import { errorText } from "../../platform/error.ts";

/** From here on an internal error is logged, and baton keeps running. */
export function surviveErrors(platform: Platform, logger: Logger): void {
  const onError = (error: unknown) => {
    logger.error(`internal error: ${error instanceof Error ? error.stack : String(error)}`);
  };
  platform.reactor.onError = onError;
  platform.runtime.onUncaught(onError);
}

/** The command that starts this program again, from its file as it is at that time. */
export function programOf(platform: Platform): readonly string[] {
  const { selfCommand } = platform.runtime;
  // The name that a standalone binary was called with may be a symlink, which leads to the new version after a deploy.
  return selfCommand.length === 1 ? [commandLineOf("self")[0] ?? ""] : selfCommand;
}

/**
 * Runs `action`. An instance that already has servers (`isRunning`) logs its failure and continues: the servers would
 * end with it.
 */
export function tolerate(isRunning: boolean, logger: Logger, action: () => void): void {
  try {
    action();
  } catch (error) {
    if (!isRunning) throw error;
    logger.error(`continuing without it: ${errorText(error)}`);
  }
}

/** @returns the paths of the service, and what prepares their directory @throws {UserError} when they cannot be used */
export function runtimePaths(
  platform: Platform,
  { runtimeDir, name }: Config,
  env: Readonly<Record<string, string>>,
) {
  const uid = platform.processes.userId();
  const directory = runtimeDirectory(runtimeDir, env, uid);
  const paths = servicePaths(directory, name);
  checkPathLength(directory, paths);
  return { paths, prepare: () => prepareDirectory(directory, uid) };
}

/** @throws {UserError} always */
export function refuseName({ name, shutdownOnly }: Config): never {
  throw new UserError(`Cannot run "${name}": a baton with this name is already running`, {
    status: EXIT_BUSY,
    remedy: shutdownOnly
      ? "Choose another name: --name"
      : `Reload it: baton reload ${name}; or choose another name: --name`,
  });
}

/**
 * Gives memory back after each burst of events: this process stays for long, and whatever the reactor delivers may
 * leave garbage behind.
 */
export function keepSmall({ runtime, clock, reactor }: Platform): void {
  const memory = new MemoryReturn(runtime, clock);
  reactor.onActivity = () => memory.touch();
  memory.touch();
}
