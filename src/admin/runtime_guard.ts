/**
 * Keeps baton's files at fixed paths in place: the runtime directory, the lock, sockets, the pidfile.
 *
 * Others remove them: a log-out removes /run/user/UID, systemd a RuntimeDirectory= that two units share, tmpfiles old
 * files. The service does not depend on them, and the guard recreates them: at once where the parent directory exists,
 * else when that reappears, which inotify reports. It creates nothing in a directory that belongs to another user, and
 * replaces no path at which another baton listens.
 *
 * It recreates a path that keeps being removed ever more slowly, so that two programs that disagree do not keep the
 * machine busy.
 */
import { statSync } from "node:fs";
import { dirname } from "node:path";
import { exists } from "../platform/files/path.ts";
import { RemovalWatch } from "../platform/files/removal_watch.ts";
import type { Timer } from "../platform/clock.ts";
import type { Platform } from "../platform/platform.ts";
import { checkDirectory, recreateDirectory } from "./paths.ts";
import { DIRECTORY, ENDS_WITH_EVENT, nextPauseMs, QUIET_MS, report, retryMs } from "./repair.ts";
import { errorText } from "../platform/error.ts";

/** Removing a directory takes a moment: rm -rf must not find a new file in it. */
const SETTLE_MS = 50;
/** While a path cannot be recreated, the watched directory may be a busy one. */
const TROUBLED_SETTLE_MS = 250;
/** A recreated path is watched and checked again. */
const MOST_ROUNDS = 3;

/** A file or socket at a fixed path. */
export interface GuardedPath {
  /** For people: "control socket". */
  readonly what: string;
  readonly path: string;
  /** Whether it is in place, or belongs to another baton by now. */
  isInPlace(): boolean;
  /** Recreates it. @throws {Error} when that is impossible */
  restore(): void;
}

interface RuntimeGuardOptions {
  readonly directory: string;
  /** In the order of their creation. */
  readonly paths: () => readonly GuardedPath[];
  readonly log: { warn(text: string): void };
  /** Called after at least one path was recreated. */
  readonly onRestored: () => void;
}

export class RuntimeGuard {
  readonly #uid: number;
  #mode: number | null = null;
  readonly #watch: RemovalWatch;
  #timer: Timer | null = null;
  #dueAt = Infinity;
  #isClosed = false;
  /** Why a path is missing, as logged. */
  #trouble: string | null = null;
  /** The paths that have been missing since all were in place. */
  readonly #lost = new Set<string>();
  /** Whether the current check has recreated something. */
  #hasRestored = false;
  #restoredAt = -Infinity;
  #timesRestored = 0;
  #failures = 0;
  #isPostponed = false;
  #cannotWatch = false;

  constructor(readonly platform: Platform, readonly options: RuntimeGuardOptions) {
    this.#uid = platform.processes.userId();
    this.#watch = new RemovalWatch(platform, () => this.#onEvent());
    this.check();
  }

  #onEvent(): void {
    if (!this.#isPostponed) this.#checkIn(this.#trouble === null ? SETTLE_MS : TROUBLED_SETTLE_MS);
  }

  /** The earliest request wins. */
  #checkIn(delayMs: number): void {
    const dueAt = this.platform.clock.now() + delayMs;
    if (this.#isClosed || this.#dueAt <= dueAt) return;
    this.#timer?.cancel();
    this.#dueAt = dueAt;
    this.#timer = this.platform.clock.after(delayMs, () => this.check());
  }

  #forgetTimer(): void {
    this.#timer?.cancel();
    this.#timer = null;
    this.#dueAt = Infinity;
  }

  /** Never throws: the service must not suffer from these files. */
  check(): void {
    if (this.#isClosed) return;
    this.#forgetTimer();
    this.#hasRestored = false;
    try {
      for (let i = 0; i < MOST_ROUNDS && !this.#round(); i++);
    } catch (error) {
      this.options.log.warn(`cannot check ${this.options.directory}: ${errorText(error)}`);
    }
  }

  /** @returns whether nothing more can be done now */
  #round(): boolean {
    const { directory, paths } = this.options;
    const all = paths();
    this.#watchAll(all);
    const problem = this.#problem();
    const missing = all.filter((path) => !isInPlace(path));
    if (problem === null) this.#mode ??= statSync(directory).mode & 0o777;
    if (missing.length === 0 && problem === null) return this.#onAllInPlace();
    if (problem === "gone") this.#lost.add(DIRECTORY);
    for (const { what } of missing) this.#lost.add(what);
    if (this.platform.clock.now() - this.#restoredAt > QUIET_MS) this.#timesRestored = 0;
    const pauseMs = this.#restoredAt + nextPauseMs(this.#timesRestored) - this.platform.clock.now();
    if (pauseMs > 0 && !this.#hasRestored) return this.#postpone(pauseMs);
    return !this.#repair(missing);
  }

  #postpone(pauseMs: number): true {
    const { directory, log } = this.options;
    if (!this.#isPostponed) {
      log.warn(report.postponed(directory, [...this.#lost], pauseMs));
    }
    this.#isPostponed = true;
    this.#checkIn(pauseMs);
    return true;
  }

  /** @returns whether every path was recreated */
  #repair(missing: readonly GuardedPath[]): boolean {
    const { directory } = this.options;
    const troubles: unknown[] = [];
    let made = 0;
    this.#isPostponed = false;
    try {
      recreateDirectory(directory, this.#uid, this.#mode ?? 0o700);
    } catch (error) {
      troubles.push(error);
    }
    const isUsable = troubles.length === 0;
    for (const each of missing) {
      if (!isUsable && dirname(each.path) === directory) continue;
      try {
        each.restore();
        made++;
      } catch (error) {
        troubles.push(new Error(`${each.what}: ${errorText(error)}`, { cause: error }));
      }
    }
    if (made > 0) this.#onRestored();
    if (troubles.length === 0) return true;
    this.#onTrouble(troubles);
    return false;
  }

  #onRestored(): void {
    this.#restoredAt = this.platform.clock.now();
    if (!this.#hasRestored) this.#timesRestored++;
    this.#hasRestored = true;
    this.options.onRestored();
  }

  #onTrouble(troubles: readonly unknown[]): void {
    const text = troubles.map(errorText).join("; ");
    if (text !== this.#trouble) {
      this.options.log.warn(report.trouble(this.options.directory, [...this.#lost], text));
    }
    this.#trouble = text;
    // No event announces free space on a disk.
    const hasEvent = troubles.every((error) => ENDS_WITH_EVENT.includes(codeOf(error)));
    if (!hasEvent) this.#checkIn(retryMs(this.#failures++));
  }

  #onAllInPlace(): true {
    if (this.#lost.size > 0) {
      this.options.log.warn(
        report.restored(this.options.directory, [...this.#lost], this.#timesRestored),
      );
    }
    this.#lost.clear();
    this.#isPostponed = false;
    this.#trouble = null;
    this.#failures = 0;
    return true;
  }

  /** @returns null when the directory is usable */
  #problem(): "gone" | "unsafe" | null {
    const { directory } = this.options;
    if (!exists(directory)) return "gone";
    try {
      checkDirectory(directory, this.#uid);
      return null;
    } catch {
      return "unsafe";
    }
  }

  #watchAll(paths: readonly GuardedPath[]): void {
    const { directory, log } = this.options;
    const unsafe = this.#problem() === "unsafe" || this.#trouble !== null
      ? [directory, dirname(directory)].filter(exists)
      : [];
    try {
      this.#watch.watch([directory, ...paths.map(({ path }) => path)], unsafe);
      this.#cannotWatch = false;
    } catch (error) {
      if (this.#cannotWatch) return;
      this.#cannotWatch = true;
      log.warn(
        `cannot watch ${directory}: ${errorText(error)}: it will not be recreated when it is ` +
          "removed. Raise fs.inotify.max_user_instances and fs.inotify.max_user_watches",
      );
    }
  }

  close(): void {
    this.#isClosed = true;
    this.#forgetTimer();
    this.#watch.close();
  }
}

function isInPlace(path: GuardedPath): boolean {
  try {
    return path.isInPlace();
  } catch {
    return false;
  }
}

function codeOf(error: unknown): string {
  const { code, cause } = error as { code?: string; cause?: unknown };
  return code ?? (cause === undefined ? "" : codeOf(cause));
}
