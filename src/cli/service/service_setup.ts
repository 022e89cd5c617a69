/** What `baton run` settles before it looks for another instance: configuration, paths, log, and budget of a stop. */
import type { Snapshot } from "../../report/snapshot.ts";
import type { ServicePaths } from "../../admin/paths.ts";
import { type Config, longestStartMs, longestStopMs } from "../../config/config.ts";
import { refuseEnvoyScript } from "./envoy_script.ts";
import type { Logger } from "../../log/logger.ts";
import type { Platform } from "../../platform/platform.ts";
import type { PodSetup } from "../../pod/pod.ts";
import type { LaunchContext } from "../../succession/state/resume_state.ts";
import { type Origin, ownEnvironment } from "./origin.ts";
import { podSetup } from "./pod_setup.ts";
import {
  chooseDuplicates,
  chooseOrder,
  type ChosenOrder,
  openLogger,
  runtimePaths,
} from "./process_setup.ts";
import { activate, type Activation } from "./socket_activation.ts";
import { launchContextOf, leaveDirectory } from "./working_directory.ts";

export interface ServiceSetup {
  readonly platform: Platform;
  readonly config: Config;
  readonly env: Record<string, string>;
  readonly paths: ServicePaths;
  readonly launchContext: LaunchContext;
  /** Where duplicates of the servers' sockets come from; null: `bind` and `listen` of servers are not trapped. */
  readonly duplicates: Snapshot["duplicates"];
  readonly logger: Logger;
  readonly order: ChosenOrder;
  readonly pod: PodSetup;
  /** The longest that a start and a stop can take. */
  readonly longestStartMs: number;
  readonly longestStopMs: number;
  /** Sockets and stored descriptors of the service manager. */
  readonly activation: Activation;
  /** With --otlp only: it is expensive to load. */
  readonly otlp: typeof import("./parts/otlp.ts").otlpPush | null;
}

/** @throws {UserError} before anything is started */
export async function setUpService(
  platform: Platform,
  given: Config,
  origin: Origin,
): Promise<ServiceSetup> {
  const inPlace = origin.kind === "in-place" ? origin.resumption.state : null;
  const env = ownEnvironment(platform);
  const launchContext = inPlace?.launchContext ?? launchContextOf(platform, env, given);
  const activation = activate(platform, given, env);
  const config = leaveDirectory(platform, activation.config, launchContext);
  if (inPlace === null) refuseEnvoyScript(config);
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
    platform,
    config,
    env,
    paths,
    launchContext,
    duplicates,
    order,
    logger,
    pod,
    activation,
    ...longest,
    otlp: config.otlp === null ? null : (await import("./parts/otlp.ts")).otlpPush,
  };
}
