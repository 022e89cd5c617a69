/** The process of `baton run`: its program, its runtime directory, its log, its errors, and what it may do here. */
import type { Snapshot } from "../../report/snapshot.ts";
import { exclusiveUse } from "../../config/exclusive.ts";
import { checkOrder, type ServiceOrder, serviceOrder } from "../../config/order.ts";
import { firstText } from "../../platform/files/first_bytes.ts";
import {
  checkPathLength,
  prepareDirectory,
  runtimeDirectory,
  servicePaths,
} from "../../admin/paths.ts";
import { type Config, isAbandoned } from "../../config/config.ts";
import { UserError } from "../../config/values/errors.ts";
import {
  missingForAdopt,
  probeCapabilities,
  suitedDuplicates,
} from "../../handoff/capabilities.ts";
import { EXIT_SYSTEM } from "../console/exit_status.ts";
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

export interface ChosenOrder extends ServiceOrder {
  /** Why the server must not run twice; null: nothing is known against it. */
  readonly exclusive: string | null;
}

/**
 * @param isChecked the first start has accepted the other options: it is too late to refuse them
 * @throws {UserError} when one of them needs two generations at the same time, and there must be only one
 */
export function chooseOrder(config: Config, isChecked: boolean): ChosenOrder {
  const exclusive = exclusiveUse(config.command, config.cwd ?? "/", firstText);
  const order = serviceOrder(config, exclusive);
  if (!isChecked) checkOrder(config, order);
  return { ...order, exclusive };
}

/**
 * @returns where duplicates of servers' sockets come from; null: `bind` and `listen` are not trapped
 * @throws {UserError} when that is required but does not work here
 */
export function chooseDuplicates(
  platform: Platform,
  config: Config,
): Snapshot["duplicates"] {
  const capabilities = probeCapabilities(platform);
  const broken = capabilities.find(({ ok, needed }) => !ok && needed === "always");
  if (broken) {
    throw new UserError(`Cannot run here: ${broken.title}: ${broken.detail}`, {
      status: EXIT_SYSTEM,
      remedy: `Consequence: ${broken.consequence}. Run "baton doctor" for details`,
    });
  }
  if (config.handoff === "inherit") return null;
  const { duplicates } = config;
  const getfd = capabilities.find(({ id }) => id === "pidfd_getfd")!;
  const missing = duplicates === "getfd" && !getfd.ok ? getfd : missingForAdopt(capabilities)[0];
  if (missing === undefined) {
    if (!isAbandoned(config)) {
      return duplicates === "auto"
        ? suitedDuplicates(platform, getfd.ok, config.user !== null)
        : duplicates;
    }
    if (getfd.ok) return "getfd";
    throw new UserError(`Cannot use --orphan keep here: ${getfd.title}: ${getfd.detail}`, {
      status: EXIT_SYSTEM,
      remedy: "The server could make no connection once baton is gone: use --survive",
    });
  }
  if (config.handoff === "auto" && config.listen.length > 0) return null;
  throw new UserError(`Cannot adopt the server's sockets: ${missing.title}: ${missing.detail}`, {
    status: EXIT_SYSTEM,
    remedy: `Consequence: ${missing.consequence}. Run "baton doctor" for details`,
  });
}

/** Of this process, which stays: whatever the reactor delivers may leave something behind. */
export function keepSmall({ runtime, clock, reactor }: Platform): void {
  const memory = new MemoryReturn(runtime, clock);
  reactor.onActivity = () => memory.touch();
  memory.touch();
}
