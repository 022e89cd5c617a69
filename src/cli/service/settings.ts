/** The configuration of a service as it applies to this process: absolute paths, sockets of the service manager. */
import type { Config } from "../../config/config.ts";
import { checkEnvoyScript } from "../../config/envoy_epoch.ts";
import { fieldsAt, reconcile, withFields } from "../../config/changes.ts";
import type { ConfigSource } from "../../config/load.ts";
import { checkPlaceholders } from "../../config/validate.ts";
import { firstText } from "../../platform/files/first_bytes.ts";
import type { Platform } from "../../platform/platform.ts";
import { type Origin, ownEnvironment } from "./origin.ts";
import { LiveConfig } from "../../supervisor/live_config.ts";
import { chooseOrder } from "./choices.ts";
import { activate, type Activation } from "./socket_activation.ts";
import { absolutePaths, launchContextOf, leaveDirectory } from "./working_directory.ts";

export interface Settings {
  readonly config: Config;
  readonly source: ConfigSource;
  readonly env: Record<string, string>;
  readonly launchContext: ReturnType<typeof launchContextOf>;
  /** Sockets and stored descriptors of the service manager. */
  readonly activation: Activation;
  readonly liveConfig: LiveConfig;
}

/** Leaves the working directory. @throws {UserError} before anything is started */
export function settle(platform: Platform, source: ConfigSource, origin: Origin): Settings {
  const { config: given } = source.loaded;
  const inPlace = origin.kind === "in-place" ? origin.resumption.state : null;
  const env = ownEnvironment(platform);
  const launchContext = inPlace?.launchContext ?? launchContextOf(platform, env, given);
  const activation = activate(platform, given, env);
  const config = leaveDirectory(platform, activation.config, launchContext);
  if (inPlace === null) checkEnvoyScript(config, config.cwd ?? "/", firstText);
  const liveConfig = new LiveConfig(
    config,
    rereader(config, source, launchContext),
    () => JSON.stringify([...source.reread?.(placeOf(launchContext)).file?.values ?? []]),
  );
  return { config, source, env, launchContext, activation, liveConfig };
}

/**
 * @returns the directory in which files are found again. One that baton stays in may be below another that its user may
 * not enter, and is reached through /proc.
 */
function placeOf({ stays, directory }: Settings["launchContext"]): string {
  return stays ? "/proc/self/cwd" : directory;
}

/** @returns what reads the configuration of a running service again; null: no file was read */
function rereader(
  first: Config,
  { loaded: given, reread }: ConfigSource,
  launchContext: Settings["launchContext"],
): LiveConfig["rereads"] {
  if (reread === null) return null;
  let before = given;
  return () => {
    const { loaded, applied, postponed } = reconcile(before, reread(placeOf(launchContext)));
    const found = absolutePaths(loaded.config, launchContext);
    const config = withFields(found, first, fieldsAt("restart"));
    checkPlaceholders(config);
    const { order } = chooseOrder(config, false);
    before = loaded;
    return { config, order, applied, postponed };
  };
}
