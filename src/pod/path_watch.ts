/**
 * `--watch`: reports changes of a file, or of a file in a directory. The kernel tells when to look (inotify), and a look
 * tells whether something changed: so the symlink swap of a mounted ConfigMap or Secret (`..data`), an editor's rename
 * and a file that is written in parts are one change each.
 *
 * There is no polling: a look at an event, and one `SETTLE_MS` later, until two are the same. What else happens in the
 * directory, such as a log that grows there, does not keep a change waiting. For a missing path the nearest existing
 * directory above it is watched. The kubelet never updates what is mounted with `subPath`.
 */
import { statSync } from "node:fs";
import type { Config } from "../config/config.ts";
import { UserError } from "../config/values/errors.ts";
import { EXIT_SYSTEM } from "../lifecycle/status.ts";
import type { Logger } from "../log/logger.ts";
import type { Timer } from "../platform/clock.ts";
import { errorText, SystemCallError } from "../platform/error.ts";
import type { Fd } from "../platform/fd.ts";
import type { Files } from "../platform/files/files.ts";
import { resolvePath, statOf } from "../platform/files/path.ts";
import type { Platform } from "../platform/platform.ts";
import type { Watch } from "../platform/reactor.ts";

/** A path that is the same after this time has changed completely. */
const SETTLE_MS = 300;
/** Entries of a directory that are looked at; further ones are ignored. */
const MAX_ENTRIES = 1_000;
const READ_SIZE = 16 * 1024;

interface WatchSetup {
  readonly platform: Platform;
  readonly config: Pick<Config, "watch">;
  readonly logger: Logger;
  /** Where baton was started: relative paths begin in its directory. */
  readonly launchContext: { readonly directory: string };
}

/** EMFILE of inotify_init1(2), ENOSPC of inotify_add_watch(2). */
const REMEDY = "Raise fs.inotify.max_user_instances and fs.inotify.max_user_watches";

/** `--watch`: every change is a reload. @throws {UserError} when the kernel has no room for that */
export function watchPaths(
  { platform, config, logger, launchContext: { directory } }: WatchSetup,
  reload: () => void,
): PathWatch | null {
  if (config.watch.length === 0) return null;
  const paths = config.watch.map((path) => resolvePath(directory, path));
  try {
    return new PathWatch(platform, paths, {
      onChange: (changed) => {
        logger.info(`reload: ${changed.join(", ")} changed`);
        reload();
      },
      onTrouble: (why) => logger.warn(`cannot watch all of --watch: ${why}. ${REMEDY}`),
    });
  } catch (error) {
    if (!(error instanceof SystemCallError)) throw error;
    const message = `Cannot watch ${paths.join(", ")} (--watch): ${error.message}`;
    throw new UserError(message, { status: EXIT_SYSTEM, remedy: REMEDY, cause: error });
  }
}

export class PathWatch {
  readonly #inotify: Fd;
  readonly #watch: Watch;
  /** When a change was last reported. */
  #seen: ReadonlyMap<string, string>;
  #latest: ReadonlyMap<string, string>;
  #timer: Timer | null = null;

  /** @param paths absolute @throws {SystemCallError} */
  constructor(
    readonly platform: Platform,
    readonly paths: readonly string[],
    readonly options: {
      readonly onChange: (paths: readonly string[]) => void;
      /** Further changes may go unseen. */
      readonly onTrouble: (why: string) => void;
    },
  ) {
    this.#inotify = platform.inotify.open();
    try {
      this.#addDirectories();
    } catch (error) {
      this.#inotify.close();
      throw error;
    }
    this.#seen = this.#latest = this.#look();
    this.#watch = platform.reactor.watch(this.#inotify, () => this.#onEvent());
  }

  #onEvent(): void {
    // The kind of event does not matter; reading clears them.
    const buffer = new Uint8Array(READ_SIZE);
    while ((this.platform.descriptors.read(this.#inotify, buffer)?.length ?? 0) > 0);
    this.#watch.arm();
    if (this.#timer !== null) return;
    this.#latest = this.#look();
    this.#settle();
  }

  #settle(): void {
    this.#timer = this.platform.clock.after(SETTLE_MS, () => {
      this.#timer = null;
      this.#compare();
    });
  }

  #compare(): void {
    // A swapped symlink leads to a directory that is not watched yet.
    try {
      this.#addDirectories();
    } catch (error) {
      this.options.onTrouble(errorText(error));
    }
    const before = this.#latest;
    const now = this.#latest = this.#look();
    const differsFrom = (then: ReadonlyMap<string, string>) =>
      this.paths.filter((path) => now.get(path) !== then.get(path));
    if (differsFrom(before).length > 0) return this.#settle();
    const changed = differsFrom(this.#seen);
    this.#seen = now;
    if (changed.length > 0) this.options.onChange(changed);
  }

  #look(): Map<string, string> {
    return new Map(this.paths.map((path) => [path, fingerprint(this.platform.files, path)]));
  }

  /** Watches the directories of each path and of its target; the path itself, if it is a directory. */
  #addDirectories(): void {
    const { files } = this.platform;
    for (const path of this.paths) {
      const directories = [dirname(path), dirname(targetOf(files, path))];
      if (isDirectory(files, path)) directories.push(path);
      for (const directory of directories) this.#addNearest(directory);
    }
  }

  /**
   * Watches the directory, or the nearest above it. While that is added, a nearer one may appear: then that one, too.
   */
  #addNearest(directory: string): void {
    const { files } = this.platform;
    for (let nearest = existing(files, directory), last = ""; nearest !== last;) {
      this.platform.inotify.add(this.#inotify, nearest, "any");
      [last, nearest] = [nearest, existing(files, directory)];
    }
  }

  close(): void {
    this.#timer?.cancel();
    this.#watch.cancel();
    this.#inotify.close();
  }
}

/** A text that tells one content from another, without reading it; "" for a missing path. */
function fingerprint(files: Files, path: string): string {
  if (!isDirectory(files, path)) return fileFingerprint(files, path);
  try {
    return files.list(path).sort().slice(0, MAX_ENTRIES)
      .map((name) => `${name} ${fileFingerprint(files, `${path}/${name}`)}`).join("\n");
  } catch {
    return "";
  }
}

function fileFingerprint(files: Files, path: string): string {
  try {
    const { ino, dev, size, mtimeNs } = files.at(path, (at) => statSync(at, { bigint: true }));
    return `${dev}:${ino} ${size} ${mtimeNs}`;
  } catch {
    return "";
  }
}

/** @returns `path` itself while its target is missing */
function targetOf(files: Files, path: string): string {
  try {
    return files.realPath(path);
  } catch {
    return path;
  }
}

function dirname(path: string): string {
  return resolvePath(path, "..");
}

/** @returns the directory itself, or the nearest existing one above it */
function existing(files: Files, directory: string): string {
  const parent = dirname(directory);
  if (isDirectory(files, directory) || parent === directory) return directory;
  return existing(files, parent);
}

function isDirectory(files: Files, path: string): boolean {
  return statOf(path, files.at)?.isDirectory() ?? false;
}
