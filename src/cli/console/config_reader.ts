/** Where the configuration is read from: the environment, the file of `--config`, whose path may be any bytes, or one found. */
import { lstatSync, type Stats } from "node:fs";
import { loadConfigFile } from "../../config/config_file.ts";
import type { FileValues } from "../../config/file_values.ts";
import { UserError } from "../../config/values/errors.ts";
import type { Platform } from "../../platform/platform.ts";
import { resolvePath, statOf } from "../../platform/files/path.ts";
import { NOT_A_FILE, readRegularFile } from "../../platform/files/regular_file.ts";
import { ROOT_UID } from "../../platform/process/processes.ts";
import { FOUND_NAME } from "../words/early_words.ts";
import type { Surroundings } from "../words/surroundings.ts";
import { readJar } from "./early_files.ts";

const OTHERS_MAY_WRITE = 0o002;

/** The surroundings of this process, in its working directory. */
export function surroundingsOf(platform: Platform): Surroundings {
  const { runtime } = platform;
  return {
    env: runtime.env(),
    readConfig: (path, directory) => read(platform, at(directory, path), () => {}),
    findConfig: (directory) => findConfig(platform, at(directory, FOUND_NAME)),
    readJar,
  };
}

function at(directory: string | null, path: string): string {
  return directory === null ? path : resolvePath(directory, path);
}

/** @param check throws for what must not be read */
function read({ files }: Platform, path: string, check: (stat: Stats) => void): FileValues {
  const refuse = () =>
    new UserError(`Cannot read configuration file "${path}": ${NOT_A_FILE}`, {
      remedy: "Write what it has to say to a file",
    });
  return loadConfigFile(path, () => files.at(path, (name) => readRegularFile(name, refuse, check)));
}

function findConfig(platform: Platform, path: string): FileValues | null {
  const { processes, files } = platform;
  const link = linkAt(platform, path);
  if (link === null) return null;
  const uid = processes.userId();
  // A service without its options would be another one.
  if (statOf(path, files.at) === null) {
    throw new UserError(
      `Cannot read ${path}, found in the working directory: its link leads nowhere`,
      {
        remedy:
          "Put the file there that it leads to, or remove the link; to run without it: --no-config",
      },
    );
  }
  if (link.isSymbolicLink()) checkOwner(path, "the link belongs", link.uid, uid);
  const found = read(platform, path, (stat) => {
    checkOwner(path, "it belongs", stat.uid, uid);
    if ((stat.mode & OTHERS_MAY_WRITE) !== 0) throw distrust(path, "everyone may write to it");
  });
  return { ...found, isFound: true };
}

/**
 * What lstat(2) says of the name in its directory; a path of any bytes is opened first, and is no link then.
 * @returns null: there is none
 */
function linkAt({ files }: Platform, path: string): Stats | null {
  try {
    return files.at(path, (name) => lstatSync(name));
  } catch {
    return null;
  }
}

/** A file that was not named, but found, must be one that its user has put there: it has commands in it. */
function checkOwner(path: string, belongs: string, owner: number, uid: number): void {
  if (owner !== uid && owner !== ROOT_UID) throw distrust(path, `${belongs} to user ${owner}`);
}

function distrust(path: string, why: string): UserError {
  return new UserError(`Cannot trust ${path}, found in the working directory: ${why}`, {
    remedy: `If you trust it: --config ${path}; to run without it: --no-config`,
  });
}
