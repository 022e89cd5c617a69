/** The input of the templates of `baton init`. */
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
}

/** @returns a file, with a final newline */
export type Template = (request: InitRequest) => string;
