/** A configuration alone, without where it is from. */
import type { Config } from "../../src/config/config.ts";
import { loadConfig } from "../../src/config/load.ts";

export function buildConfig(sources: Parameters<typeof loadConfig>[0]): Config {
  return loadConfig(sources).config;
}
