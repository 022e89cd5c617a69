/**
 * Reports when files and sockets at fixed paths, or the directories above them, may have been removed, renamed, or
 * covered or uncovered by a mount. The caller checks what has happened.
 *
 * Watches these files and directories only, not their other entries, so a busy /tmp causes no wake-ups. Where one is
 * missing, the nearest existing directory is watched for arrivals. inotify(7) does not report mounts, and nothing at
 * all of a lazy unmount; /proc/self/mountinfo does, by EPOLLERR (proc(5)).
 */
import { lstatSync, type Stats } from "node:fs";
import { C } from "../libc/constants.ts";
import type { Fd } from "../fd.ts";
import { physicalPath } from "./path_key.ts";
import type { Platform } from "../platform.ts";
import type { Watch } from "../reactor.ts";

const READ_SIZE = 16 * 1024;
/** How often the watches are added: files may appear meanwhile, and then they are added again. */
const MOST_LOOKS = 5;

export class RemovalWatch {
  #stopInotify = () => {};
  readonly #stopMounts: () => void;

  constructor(readonly platform: Platform, readonly onSign: () => void) {
    this.#stopMounts = this.#watchMounts();
  }

  /**
   * Watches these paths from now on; earlier changes are not reported.
   * @param strange directories that cannot be used as they are: watched for a change
   * @throws {SystemCallError} when inotify is not available
   */
  watch(paths: readonly string[], strange: readonly string[] = []): void {
    const fd = this.platform.inotify.open();
    for (let i = 0; i < MOST_LOOKS && !this.#addAll(fd, paths, strange); i++);
    this.#stopInotify();
    const watch = this.platform.reactor.watch(fd, () => this.#onInotify(fd, watch));
    this.#stopInotify = stopper(fd, watch);
  }

  /** @returns false when a file has appeared meanwhile that is not watched */
  #addAll(fd: Fd, paths: readonly string[], strange: readonly string[]): boolean {
    const { inotify } = this.platform;
    const all = new Set(
      paths.flatMap((path) => [...prefixes(path), ...prefixes(physicalPath(path))]),
    );
    const missing = [...all].filter((path) => !this.#awaitLeaving(fd, path));
    // The last mask of a directory replaces the one before.
    const above = new Set([...missing.map(parentOf), ...strange]);
    for (const path of above) inotify.add(fd, path, "arrivals");
    return missing.every((path) => lookAt(path) === null);
  }

  /** @returns false when nothing is there */
  #awaitLeaving(fd: Fd, path: string): boolean {
    const stat = lookAt(path);
    if (stat === null) return false;
    const isFile = !stat.isDirectory() && !stat.isSymbolicLink();
    this.platform.inotify.add(fd, path, isFile ? "file leaves" : "directory leaves");
    return true;
  }

  #onInotify(fd: Fd, watch: Watch): void {
    // Which event it was does not matter; reading clears them.
    const buffer = new Uint8Array(READ_SIZE);
    while ((this.platform.descriptors.read(fd, buffer)?.length ?? 0) > 0);
    watch.arm();
    this.onSign();
  }

  #watchMounts(): () => void {
    try {
      const fd = this.platform.descriptors.open("/proc/self/mountinfo", C.O_RDONLY);
      // This file is always readable: only the error says that something has changed.
      const watch = this.platform.reactor.watch(fd, () => {
        watch.arm({});
        this.onSign();
      }, {});
      return stopper(fd, watch);
    } catch {
      return () => {};
    }
  }

  close(): void {
    this.#stopInotify();
    this.#stopMounts();
  }
}

function stopper(fd: Fd, watch: Watch): () => void {
  return () => {
    watch.cancel();
    fd.close();
  };
}

/** @returns "/a", "/a/b", "/a/b/c" of "/a/b/c". Pure */
export function prefixes(path: string): string[] {
  const names = path.split("/").filter((name) => name !== "");
  return names.map((_, i) => `/${names.slice(0, i + 1).join("/")}`);
}

function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/")) || "/";
}

function lookAt(path: string): Stats | null {
  try {
    return lstatSync(path);
  } catch {
    return null;
  }
}
