/**
 * Tells when a file, or a file in a directory, has changed: `--watch`. The kernel says when to look
 * (inotify), a look says whether: so the symlink swap of a mounted ConfigMap or Secret (`..data`), an
 * editor's rename and a file that is written in parts are one change each.
 *
 * Never looks on a timer but once, `SETTLE_MS` after the last sign of a change. A path that is not
 * there is watched for by its directory, or the nearest one above that is there. What is mounted with `subPath` never changes: that is the
 * kubelet's doing.
 */
import { statSync } from "node:fs";
import type { Config } from "../config/config.ts";
import type { Logger } from "../log/logger.ts";
import type { Fd } from "../platform/fd.ts";
import type { Files } from "../platform/files/files.ts";
import { resolvePath } from "../platform/files/path.ts";
import type { Platform } from "../platform/platform.ts";
import type { Watch } from "../platform/reactor.ts";

/** No sign of a change for this long: it is complete. */
const SETTLE_MS = 300;
/** Entries of a directory that are looked at. */
const MAX_ENTRIES = 1_000;
const READ_SIZE = 16 * 1024;

/** `--watch`: every change is a reload. @param directory relative paths begin here */
export function watchPaths(
  { platform, config, logger, directory }: {
    readonly platform: Platform;
    readonly config: Pick<Config, "watch">;
    readonly logger: Logger;
    readonly directory: string;
  },
  reload: () => void,
): PathWatch | null {
  if (config.watch.length === 0) return null;
  const paths = config.watch.map((path) => resolvePath(directory, path));
  return new PathWatch(platform, paths, (changed) => {
    logger.info(`reload: ${changed.join(", ")} changed`);
    reload();
  });
}

export class PathWatch {
  readonly #inotify: Fd;
  readonly #watch: Watch;
  #seen: ReadonlyMap<string, string>;
  #timer: ReturnType<typeof setTimeout> | null = null;

  /** @param paths absolute */
  constructor(
    readonly platform: Platform,
    readonly paths: readonly string[],
    readonly onChange: (paths: readonly string[]) => void,
  ) {
    this.#inotify = platform.inotify.open();
    this.#addDirectories();
    this.#seen = this.#look();
    this.#watch = platform.reactor.watch(this.#inotify, () => this.#onSign());
  }

  #onSign(): void {
    // What it was does not matter; reading takes the signs away.
    const buffer = new Uint8Array(READ_SIZE);
    while ((this.platform.descriptors.read(this.#inotify, buffer)?.length ?? 0) > 0);
    this.#watch.arm();
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#compare(), SETTLE_MS);
  }

  #compare(): void {
    this.#timer = null;
    // A swapped symlink leads to a directory that is not watched yet.
    this.#addDirectories();
    const now = this.#look();
    const changed = this.paths.filter((path) => now.get(path) !== this.#seen.get(path));
    this.#seen = now;
    if (changed.length > 0) this.onChange(changed);
  }

  #look(): Map<string, string> {
    return new Map(this.paths.map((path) => [path, fingerprint(this.platform.files, path)]));
  }

  /** The directory of the name, and that of what it leads to; the directory itself, if it is one. */
  #addDirectories(): void {
    const { files } = this.platform;
    for (const path of this.paths) {
      const target = targetOf(files, path);
      const directories = [dirname(path), ...(target === null ? [] : [dirname(target)])];
      if (isDirectory(files, path)) directories.push(path);
      for (const directory of directories) this.#addNearest(directory);
    }
  }

  /** The directory, or what it is to appear in: once that is watched, it may have appeared meanwhile. */
  #addNearest(directory: string): void {
    const { files } = this.platform;
    for (let nearest = existing(files, directory), last = ""; nearest !== last;) {
      this.platform.inotify.add(this.#inotify, nearest);
      [last, nearest] = [nearest, existing(files, directory)];
    }
  }

  close(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#watch.cancel();
    this.#inotify.close();
  }
}

/** What tells one content from another, without reading it; "" for what is not there. */
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

function targetOf(files: Files, path: string): string | null {
  try {
    return files.realPath(path);
  } catch {
    return null;
  }
}

function dirname(path: string): string {
  return resolvePath(path, "..");
}

/** @returns the directory itself, or the nearest one above it that is there */
function existing(files: Files, directory: string): string {
  const parent = dirname(directory);
  if (isDirectory(files, directory) || parent === directory) return directory;
  return existing(files, parent);
}

function isDirectory(files: Files, path: string): boolean {
  try {
    return files.at(path, (at) => statSync(at)).isDirectory();
  } catch {
    return false;
  }
}
