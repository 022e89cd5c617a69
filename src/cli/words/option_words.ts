/** Options as words again, for another command line of baton. Pure. */
import type { LoadedConfig } from "../../config/load.ts";
import { OPTIONS } from "../../config/options.ts";
import { CONFIG_FLAG } from "./verbs.ts";
import type { Words } from "./words.ts";

/** @returns those of the command line */
export function optionWords({ flags }: Words, without: readonly string[]): string[] {
  return [...flags].filter(([flag]) => !without.includes(flag)).flatMap(([flag, values]) =>
    values.map((value) => wordOf(flag, value))
  );
}

/** @returns those of variables, and a file that was not named on the command line, where neither will be there */
export function otherWords({ flags }: Words, { origins, file }: LoadedConfig): string[] {
  const config = file === null || flags.has(CONFIG_FLAG.flag)
    ? []
    : [wordOf(CONFIG_FLAG.flag, file.path)];
  const variables = OPTIONS.flatMap(({ field, flag }) => {
    const origin = origins.get(field);
    if (origin?.kind !== "variable" || field === "name" || origin.raw === false) return [];
    const values = origin.raw === true ? [""] : [origin.raw].flat();
    return values.map((value) => wordOf(flag, String(value)));
  });
  return [...config, ...variables];
}

function wordOf(flag: string, value: string): string {
  return value === "" ? `--${flag}` : `--${flag}=${value}`;
}
