/** Where the configuration is read from: the environment, the file of `--config`, whose path may be any bytes, or one found. */
import { readFileSync, statSync } from "node:fs";
import { loadConfigFile } from "../../config/config_file.ts";
import type { FileValues } from "../../config/file_values.ts";
import { UserError } from "../../config/values/errors.ts";
import type { Platform } from "../../platform/platform.ts";
import { resolvePath, statOf } from "../../platform/files/path.ts";
import { ROOT_UID } from "../../platform/process/processes.ts";
import { FOUND_NAME } from "../words/early_words.ts";
import type { Surroundings } from "../words/surroundings.ts";

const OTHERS_MAY_WRITE = 0o002;

/** Of this process, in the directory that it is in. */
export function surroundingsOf(platform: Platform): Surroundings {
  const { files, runtime } = platform;
  const read = (path: string, directory: string | null) =>
    loadConfigFile(
      directory === null ? path : resolvePath(directory, path),
      (at) => files.at(at, (name) => readFileSync(name)),
    );
  return {
    env: runtime.env(),
    readConfig: read,
    findConfig: (directory) => findConfig(platform, directory, read),
  };
}

function findConfig(
  { processes, files }: Platform,
  directory: string | null,
  read: Surroundings["readConfig"],
): FileValues | null {
  const path = directory === null ? FOUND_NAME : resolvePath(directory, FOUND_NAME);
  if (statOf(path, files.at) === null) return null;
  checkFoundFile(path, files.at(path, (name) => statSync(name)), processes.userId());
  return { ...read(path, null), isFound: true };
}

/**
 * A file that was not named, but found, must be one that its user has put there: it has commands in it.
 * @param uid of this process
 * @throws {UserError} when others could have written it
 */
function checkFoundFile(
  path: string,
  { uid: owner, mode }: { readonly uid: number; readonly mode: number },
  uid: number,
): void {
  const why = owner !== uid && owner !== ROOT_UID
    ? `it belongs to user ${owner}`
    : (mode & OTHERS_MAY_WRITE) !== 0
    ? "everyone may write to it"
    : null;
  if (why === null) return;
  throw new UserError(`Cannot trust ${path}, found in the working directory: ${why}`, {
    remedy: `If you trust it: --config ${path}; to run without it: --no-config`,
  });
}
