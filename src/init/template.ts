/** What the templates of `baton init` share. */
import type { Config } from "../config/config.ts";

export interface InitRequest {
  /** The words that start this baton, with an absolute path. */
  readonly baton: readonly string[];
  /** The configuration that `run` would read from the same words. */
  readonly config: Config;
  /** The options of `run` as they were given, without --name. */
  readonly options: readonly string[];
  /** The current directory, for relative paths. */
  readonly directory: string;
  /** Where PATH has the server's program, if the command names it without a folder. Missing or null: nowhere. */
  readonly programFolder?: string | null;
}

/** Words as a JSON list: the exec form of a Containerfile, and YAML on one line. */
export function wordList(words: readonly string[]): string {
  return `[${words.map((word) => JSON.stringify(word)).join(", ")}]`;
}

/** A name of small letters, digits and hyphens, as container tools ask for it; empty when nothing of it is left. */
export function plainName(name: string): string {
  return name.toLowerCase().replace(/[^a-z0-9-]+/g, "-").replace(/^-+|-+$/g, "");
}
