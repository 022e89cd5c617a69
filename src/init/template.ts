/** What a template of `baton init` is made from. */
import type { Config } from "../config/config.ts";

export interface InitRequest {
  /** The words that start this baton, with an absolute path. */
  readonly baton: readonly string[];
  /** As `run` would understand the same words. */
  readonly config: Config;
  /** The options of `run` as they were given, without --name. */
  readonly options: readonly string[];
  /** Where the command was given: relative names mean files below it. */
  readonly directory: string;
}

export interface Template {
  /** For help: completes "prints ...". */
  readonly what: string;
  /** @returns a file, with a final newline */
  make(request: InitRequest): string;
}
