/** The configuration of a service as it applies to this process: absolute paths, sockets of the service manager. */
import type { Config } from "../../config/config.ts";
import type { ConfigSource } from "../../config/load.ts";
import type { Platform } from "../../platform/platform.ts";
import { refuseEnvoyScript } from "./envoy_script.ts";
import { type Origin, ownEnvironment } from "./origin.ts";
import { activate, type Activation } from "./socket_activation.ts";
import { launchContextOf, leaveDirectory } from "./working_directory.ts";

export interface Settings {
  readonly config: Config;
  readonly source: ConfigSource;
  readonly env: Record<string, string>;
  readonly launchContext: ReturnType<typeof launchContextOf>;
  /** Sockets and stored descriptors of the service manager. */
  readonly activation: Activation;
}

/** Leaves the working directory. @throws {UserError} before anything is started */
export function settle(platform: Platform, source: ConfigSource, origin: Origin): Settings {
  const { config: given } = source.loaded;
  const inPlace = origin.kind === "in-place" ? origin.resumption.state : null;
  const env = ownEnvironment(platform);
  const launchContext = inPlace?.launchContext ?? launchContextOf(platform, env, given);
  const activation = activate(platform, given, env);
  const config = leaveDirectory(platform, activation.config, launchContext);
  if (inPlace === null) refuseEnvoyScript(config);
  return { config, source, env, launchContext, activation };
}
