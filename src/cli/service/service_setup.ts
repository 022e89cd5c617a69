/** What `baton run` settles before it looks for another instance: configuration, paths, log, and budget of a stop. */
import type { Snapshot } from "../../report/snapshot.ts";
import type { ServicePaths } from "../../admin/paths.ts";
import { longestStartMs, longestStopMs } from "../../config/config.ts";
import type { ConfigSource } from "../../config/load.ts";
import { tellConfig } from "../console/tell_config.ts";
import type { Logger } from "../../log/logger.ts";
import type { Platform } from "../../platform/platform.ts";
import type { PodSetup } from "../../pod/pod.ts";
import { openLogger } from "./log_setup.ts";
import type { Origin } from "./origin.ts";
import { type OptionalParts, optionalParts } from "./parts/optional.ts";
import { podSetup } from "./pod_setup.ts";
import { chooseDuplicates, chooseOrder, type ChosenOrder } from "./choices.ts";
import { runtimePaths } from "./process_setup.ts";
import { type Settings, settle } from "./settings.ts";

export interface ServiceSetup extends Settings {
  readonly platform: Platform;
  readonly paths: ServicePaths;
  /** Where duplicates of the servers' sockets come from; null: `bind` and `listen` of servers are not trapped. */
  readonly duplicates: Snapshot["duplicates"];
  readonly logger: Logger;
  readonly order: ChosenOrder;
  readonly pod: PodSetup;
  /** The longest that a start and a stop can take. */
  readonly longestStartMs: number;
  readonly longestStopMs: number;
  readonly optional: OptionalParts;
}

/** @throws {UserError} before anything is started */
export async function setUpService(
  platform: Platform,
  source: ConfigSource,
  origin: Origin,
): Promise<ServiceSetup> {
  const settings = settle(platform, source, origin);
  const { config, env } = settings;
  const inPlace = origin.kind === "in-place" ? origin.resumption.state : null;
  const order = chooseOrder(config, inPlace !== null);
  const { paths, prepare } = runtimePaths(platform, config, env);
  try {
    prepare();
  } catch (error) {
    // With servers running, the guard creates the directory as soon as it can.
    if (origin.kind === "command") throw error;
  }
  const duplicates = inPlace === null ? chooseDuplicates(platform, config) : inPlace.duplicates;
  const logger = openLogger(platform, config, inPlace !== null);
  tellConfig(logger, source.loaded, env);
  // The first start has accepted the grace period: it is too late to refuse it.
  const asked = inPlace === null ? config : { ...config, graceMs: null };
  const longest = { longestStartMs: longestStartMs(config), longestStopMs: longestStopMs(config) };
  const pod = podSetup(asked, env, longest.longestStopMs, logger);
  if (order.order === "stop-first") {
    logger.info(`a reload stops the server before it starts the new one: ${order.reason}`);
  }
  if (duplicates === null && config.handoff === "auto") {
    logger.warn('only the sockets of --listen are handed over here: "baton doctor" says why');
  }
  return {
    ...settings,
    platform,
    paths,
    duplicates,
    order,
    logger,
    pod,
    ...longest,
    optional: await optionalParts(platform, config, source.reread !== null),
  };
}
