/** What is in a configuration file, apart from how it is parsed. Pure. */

/** The raw values of a configuration file, with known keys only. */
export interface FileValues {
  /** The path, for messages. */
  readonly path: string;
  /** Whether it was not named, but found in the working directory. */
  readonly isFound?: true;
  /** Values by key: `ready_timeout`. */
  readonly values: ReadonlyMap<string, unknown>;
  /** The table `[front]`, not checked yet (`front.ts`); missing: there is none. */
  readonly front?: ReadonlyMap<string, unknown>;
}

/** The key of the server's command, which is not an option. */
export const COMMAND_KEY = "command";
/** In JSON names the schema, for editors. */
export const SCHEMA_KEY = "$schema";
/** An option (`--front`), or a table with that option as `eds` and all that `baton init envoy` writes. */
export const FRONT_KEY = "front";

/** @returns all keys and strings in a value */
export function textsIn(value: unknown): string[] {
  if (typeof value === "string") return [value];
  if (typeof value !== "object" || value === null) return [];
  return [
    ...(Array.isArray(value) ? [] : Object.keys(value)),
    ...Object.values(value).flatMap(textsIn),
  ];
}
