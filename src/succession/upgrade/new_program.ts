/** The program of an upgrade: what is started to be checked (`preflight.ts`), or to take over (`successor.ts`). */
import { SystemCallError } from "../../platform/error.ts";
import type { Platform } from "../../platform/platform.ts";
import { type HelperOptions, HelperProcess } from "../../platform/process/helper_process.ts";
import { hide } from "../../platform/process/hidden_environment.ts";
import { resolveProgram } from "../../launcher/resolve.ts";

export interface NewProgram {
  /** The program as it was named, and arguments in front of baton's own. */
  readonly program: string;
  readonly prefix: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Where a name without a path is looked up, and arguments are read. */
  readonly directory: string;
}

/** @param requested null: this baton's own program, as it is on disk now */
export function newProgram(
  { program, prefix, env, directory }: NewProgram,
  requested: string | null,
): NewProgram {
  if (requested === null || requested === program) return { program, prefix, env, directory };
  return { program: requested, prefix: [], env, directory };
}

interface NewProgramStart extends Pick<HelperOptions, "verb" | "plan" | "further"> {
  /** Variables in addition to those of the new program. */
  readonly env?: Readonly<Record<string, string>>;
}

/**
 * Starts it with this baton's arguments.
 * @returns with the path of its file. @throws {Error} when it cannot be started
 */
export function startNewProgram(
  platform: Platform,
  { program, prefix, env, directory }: NewProgram,
  start: NewProgramStart,
): { readonly helper: HelperProcess; readonly path: string } {
  const resolution = resolveProgram(program, env["PATH"], directory, platform.files);
  if (resolution.kind === "failed") throw new Error(resolution.message);
  const { path } = resolution;
  const { env: more = {}, ...rest } = start;
  try {
    const helper = new HelperProcess(platform, {
      ...rest,
      program: {
        path,
        argv: [program, ...prefix],
        env: { ...hide(platform.runtime, env), ...more },
        directory,
      },
      args: platform.runtime.argv,
      descriptors: [0, 1, 2],
    });
    return { helper, path };
  } catch (error) {
    if (!(error instanceof SystemCallError)) throw error;
    throw new Error(`Cannot execute ${path}: ${error.code}`);
  }
}
