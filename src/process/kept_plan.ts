/**
 * One plan that outlives the files it was made from: program and directory are held by O_PATH descriptors; arguments,
 * environment and the targets of the links on the way are written down.
 *
 * The content of files is not kept: one that was overwritten is used as it is now, and named in a notice.
 */
import { readFileSync } from "node:fs";
import * as v from "valibot";
import { resolveProgram } from "../launcher/resolve.ts";
import { jsonBytes } from "../platform/bytes.ts";
import type { Fd } from "../platform/fd.ts";
import { type AtPath, resolvePath, statOf } from "../platform/files/path.ts";
import { C } from "../platform/libc/constants.ts";
import type { Platform } from "../platform/platform.ts";
import { isEnvironment } from "../platform/process/environment.ts";
import { findLinks, mapAbsolutePaths, mapPaths, rerouted } from "./kept_links.ts";
import type { PlanBasis } from "./launch_plan.ts";

export const KEPT_PARTS = ["text", "program", "directory"] as const;
export type KeptPart = typeof KEPT_PARTS[number];

const TEXTS = v.custom<Readonly<Record<string, string>>>(isEnvironment);

/** What the part `text`, a memfd, holds as JSON. */
const KEPT = v.object({
  command: v.pipe(v.array(v.string()), v.readonly()),
  env: TEXTS,
  directory: v.string(),
  /** The directory without links. */
  realDirectory: v.string(),
  /** Path of the program's file; null: there was none. */
  program: v.nullable(v.string()),
  links: TEXTS,
  /** Stamps of the files that the command names. */
  stamps: TEXTS,
});

export interface KeptPlan {
  readonly kept: Readonly<v.InferOutput<typeof KEPT>>;
  readonly fds: ReadonlyMap<KeptPart, Fd>;
}

export function keepBasis(platform: Platform, { command, env, directory }: PlanBasis): KeptPlan {
  const { files, descriptors } = platform;
  const fds = new Map<KeptPart, Fd>();
  const hold = (part: KeptPart, path: string) => {
    try {
      fds.set(part, descriptors.open(path, C.O_PATH));
    } catch {
      // The start of a server from it will say what is wrong.
    }
  };
  const found = resolveProgram(command[0] ?? "", env["PATH"], directory, files);
  const program = found.kind === "found" ? found.path : null;
  if (program !== null) hold("program", program);
  hold("directory", directory);
  const held = fds.get("directory");
  const realDirectory = (held && files.readLink(nameOf(held))) ?? directory;
  const links = new Map<string, string>();
  // Most paths in an environment lead through the same few directories.
  const looked = new Map<string, string | null>();
  const readLink = (link: string) => {
    const known = looked.get(link);
    if (known !== undefined) return known;
    const target = files.readLink(link);
    looked.set(link, target);
    return target;
  };
  const stamps: Record<string, string> = {};
  const follow = (path: string, base = realDirectory) => {
    findLinks(path, base, readLink, links);
    return path;
  };
  const note = (path: string) => {
    const stamp = stampOf(resolvePath(realDirectory, path), files.at);
    if (stamp !== null) stamps[path] = stamp;
    return follow(path);
  };
  follow(directory);
  if (program !== null) note(program);
  for (const word of command) mapPaths(word, note);
  for (const value of Object.values(env)) mapAbsolutePaths(value, (path) => follow(path));
  const facts = { command, env, directory, realDirectory, program, stamps };
  const kept = { ...facts, links: Object.fromEntries(links) };
  fds.set("text", descriptors.sealedMemfd("baton-kept-plan", jsonBytes(kept)));
  return { kept, fds };
}

/** @throws {Error} when it is malformed */
export function readKept(text: Fd): KeptPlan["kept"] {
  return v.parse(KEPT, JSON.parse(readFileSync(nameOf(text), "utf8")));
}

/** @returns names that lead to the same files as then, and what is not as it was then */
export function restore(
  platform: Platform,
  { kept, fds }: KeptPlan,
): { basis: PlanBasis; notices: readonly string[] } {
  const { files } = platform;
  const { links, stamps, realDirectory } = kept;
  const moved = new Set(Object.keys(links).filter((link) => files.readLink(link) !== links[link]));
  const now = (path: string) => rerouted(path, realDirectory, links, (link) => moved.has(link));
  const notices = new Set<string>();
  for (const link of moved) notices.add(`${link} leads to ${links[link]} for it, as then`);
  const place = (path: string, fd: Fd | undefined) => {
    const place = placeOf(platform, path, fd);
    if (place.isHeld) notices.add(`${path} was replaced or removed: the former one is used`);
    return place;
  };
  /** The content of files is not kept. */
  const compare = (path: string, name: string) => {
    const stamp = stampOf(resolvePath(realDirectory, name), files.at);
    if (!Object.hasOwn(stamps, path) || stamps[path] === stamp) return;
    notices.add(stamp === null ? `${name} is gone` : `${name} has changed, and is used as it is`);
  };
  const pwd = now(kept.directory);
  const directory = place(pwd, fds.get("directory"));
  const program = kept.program === null ? null : place(now(kept.program), fds.get("program"));
  if (kept.program !== null && program?.isHeld === false) compare(kept.program, program.path);
  const command = kept.command.map((word, i) =>
    mapPaths(word, (path) => {
      const name = now(path);
      if (i > 0) compare(path, name);
      return name;
    })
  );
  const env = Object.fromEntries(
    Object.entries(kept.env).map(([name, value]) => [name, mapAbsolutePaths(value, now)]),
  );
  const basis = { command, env: { ...env, PWD: pwd }, directory: directory.path, program };
  return { basis, notices: [...notices] };
}

/**
 * A path to a kept file: for this process, and for others while it has the descriptor, which no server gets
 * (proc_pid_fd(5)).
 */
function placeOf({ runtime, files }: Platform, path: string, fd: Fd | undefined) {
  if (fd === undefined) return { path, isHeld: false };
  const [then, now] = [statOf(nameOf(fd)), statOf(path, files.at)];
  const isSame = then !== null && now !== null && then.dev === now.dev && then.ino === now.ino;
  return isSame
    ? { path, isHeld: false }
    : { path: `/proc/${runtime.pid}/fd/${fd.number}`, isHeld: true };
}

/** @returns null: no regular file */
function stampOf(path: string, at: AtPath): string | null {
  const stat = statOf(path, at);
  return stat?.isFile() ? [stat.dev, stat.ino, stat.size, stat.mtimeMs].join(":") : null;
}

function nameOf(fd: Fd): string {
  return `/proc/self/fd/${fd.number}`;
}
