/** Where an ordinary user may write: the directories that get a copy-on-write layer in its rehearsal. */
import { accessSync, constants, realpathSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { pathsIn, topmost } from "./mount_table.ts";
import type { RehearsalPlan } from "./plan.ts";
import { filesBelow } from "./tree.ts";

const USUAL = ["/tmp", "/var/tmp"];
/** Directories of programs and of the kernel: no data of a service. */
const SKIPPED = /^\/(proc|sys|dev|usr|bin|sbin|lib\w*|boot|snap|nix|lost\+found)$/;
const SEARCH_DEPTH = 4;
const MOST_SEARCHED = 4000;

export function writablePlaces({ env, directory, command, options }: RehearsalPlan): string[] {
  const named = [
    ...[env["HOME"], env["XDG_RUNTIME_DIR"], directory, ...USUAL].filter((path) =>
      path?.startsWith("/")
    ),
    ...pathsIn([...command, ...options]),
  ] as string[];
  const searched = filesBelow("/", 1).filter(({ path, stat }) =>
    stat.isDirectory() && !SKIPPED.test(path)
  ).flatMap(({ path }) => [path, ...directoriesBelow(path)]).filter(isWritable);
  return topmost([...named.flatMap((path) => firstWritable(path) ?? []), ...searched]);
}

function directoriesBelow(path: string): string[] {
  return filesBelow(path, SEARCH_DEPTH - 1, MOST_SEARCHED).filter(({ stat }) => stat.isDirectory())
    .map((entry) => entry.path);
}

/** @returns the topmost directory on the way to `path` that may be written to */
function firstWritable(path: string): string | null {
  const above: string[] = [];
  for (let at = realPath(path); at !== "/"; at = dirname(at)) above.unshift(at);
  return above.find(isWritable) ?? null;
}

/** The real path of the part that exists: no step of a mount's path may be a link. */
function realPath(path: string): string {
  for (let at = path; at !== "/"; at = dirname(at)) {
    try {
      return realpathSync(at);
    } catch {
      // The path does not exist: its directory is tried.
    }
  }
  return "/";
}

function isWritable(path: string): boolean {
  try {
    accessSync(path, constants.W_OK | constants.X_OK);
    return statSync(path).isDirectory();
  } catch {
    return false;
  }
}
