/** Reads the file of `--config`, whose path may be any bytes. */
import { readFileSync } from "node:fs";
import { type FileValues, loadConfigFile } from "../../config/config_file.ts";
import type { Platform } from "../../platform/platform.ts";

export function configReader({ files }: Platform): (path: string) => FileValues {
  return (path) => loadConfigFile(path, (at) => files.at(at, (name) => readFileSync(name)));
}
