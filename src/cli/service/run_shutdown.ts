/**
 * `baton run --shutdown-only`: the main process of a container, which shuts its server down gracefully.
 *
 * A control socket is optional: without a runtime directory baton runs without one.
 */
import type { ConfigSource } from "../../config/load.ts";
import { UserError } from "../../config/values/errors.ts";
import { NameLock } from "../../admin/name_lock.ts";
import type { Platform } from "../../platform/platform.ts";
import { lostDescriptors, shutdownPlan } from "../../process/launch_plan.ts";
import { ShutdownService } from "../../pod/shutdown_service.ts";
import { tellConfig } from "../console/tell_config.ts";
import { VERSION } from "../console/version.ts";
import { Endpoints, type EndpointsParts } from "./endpoints/endpoints.ts";
import { ownPorts } from "./parts/optional.ts";
import { podSetup } from "./pod_setup.ts";
import { openLogger } from "./log_setup.ts";
import { keepSmall, refuseName, runtimePaths, surviveErrors } from "./process_setup.ts";
import { ShutdownSignals } from "./shutdown_signals.ts";
import { launchContextOf, leaveDirectory } from "./working_directory.ts";

/** @returns the status to exit with, after the server has exited */
export async function commandRunShutdown(
  platform: Platform,
  { loaded }: ConfigSource,
): Promise<number> {
  const { config: given } = loaded;
  const signals = new ShutdownSignals(platform, given);
  const env = platform.runtime.env();
  const launchContext = launchContextOf(platform, env, given);
  const { fileLimit } = launchContext;
  const config = leaveDirectory(platform, given, launchContext);
  const logger = openLogger(platform, config);
  const pod = podSetup(config, env, config.maxDrainMs, logger);
  const endpoints = new Endpoints({
    platform,
    config,
    logger,
    name: await takeName({ platform, config, logger }, env),
    OwnPorts: await ownPorts(config),
    probeAddress: pod.probeAddress,
    service: () => ({
      supervisor: service,
      pod: service.pod,
      registry: { read: () => [] },
      events: null,
    }),
    stats: null,
    succession: null,
  });
  const { pid } = platform.runtime;
  const directory = config.cwd ?? "/";
  const service: ShutdownService = new ShutdownService({
    platform,
    config,
    plan: shutdownPlan({ config, env, directory, pid, trap: [], fileLimit, at: platform.files.at }),
    logger,
    version: VERSION,
    setup: pod,
    portsAccepted: () => endpoints.portsAccepted,
  });
  surviveErrors(platform, logger);
  try {
    endpoints.open();
    tellConfig(logger, loaded, env);
    logger.info(`baton ${VERSION} runs ${config.command.join(" ")}`, { pid });
    service.start();
    for (const hint of lostDescriptors({ argv: config.command, members: 0 })) {
      logger.warn(`the server may fail: ${hint}`);
    }
    endpoints.guard();
    keepSmall(platform);
    signals.deliverTo(service, logger);
    return await endpoints.serveUntilExit();
  } finally {
    endpoints.close();
    signals.remove();
    await platform.close();
  }
}

/**
 * @returns null where there is no runtime directory
 * @throws {UserError} when another instance has the name
 */
async function takeName(
  { platform, config, logger }: Pick<EndpointsParts, "platform" | "config" | "logger">,
  env: Readonly<Record<string, string>>,
): Promise<EndpointsParts["name"]> {
  let name: { lock: NameLock | null; socket: string };
  try {
    const { paths, prepare } = runtimePaths(platform, config, env);
    prepare();
    name = { lock: await NameLock.take(platform, paths.lock, paths.socket), socket: paths.socket };
  } catch (error) {
    if (!(error instanceof UserError) || config.runtimeDir !== null) throw error;
    logger.warn(
      `"baton status", "baton stop" and "baton ready" do not work here: ${error.message}`,
    );
    return null;
  }
  return { ...name, lock: name.lock ?? refuseName(config) };
}
