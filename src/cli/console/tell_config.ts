/** What the log of a service says about its configuration when it starts. */
import { misspelled } from "../../config/env_options.ts";
import type { LoadedConfig } from "../../config/load.ts";

interface Log {
  readonly info: (message: string) => void;
  readonly warn: (message: string) => void;
}

export function tellConfig(
  log: Log,
  { file, origins }: LoadedConfig,
  env: Readonly<Record<string, string>>,
): void {
  const where = file?.isFound ? ", found in the working directory (--no-config leaves it out)" : "";
  if (file !== null) log.info(`options are read from ${file.path}${where}`);
  const variables = [...origins.values()].filter(({ kind }) => kind === "variable");
  if (variables.length > 0) {
    log.info(`options are taken from ${variables.map(({ text }) => text).join(", ")}`);
  }
  for (const { name, near } of misspelled(env)) {
    log.warn(`${name} is no option: did you mean ${near}?`);
  }
}
