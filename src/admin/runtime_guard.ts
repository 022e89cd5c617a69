/**
 * Keeps what baton has at fixed paths where it is: the runtime directory, the lock, sockets, the pidfile.
 *
 * They go away without our doing: a log-out removes /run/user/UID, systemd a RuntimeDirectory= that two units
 * share, tmpfiles what is old. The service never depends on them, and this brings them back: at once where the
 * directory above is there, else when that comes back, which is watched and not polled. Nothing is made in a
 * directory that belongs to others, and nothing is put over what another baton listens at.
 *
 * What is removed again and again is made again ever more slowly, so that two programs that disagree do not
 * keep the machine busy.
 */
import { statSync } from "node:fs";
import { dirname } from "node:path";
import { exists } from "../platform/files/path.ts";
import { RemovalWatch } from "../platform/files/removal_watch.ts";
import type { Platform } from "../platform/platform.ts";
import { checkDirectory, remakeDirectory } from "./paths.ts";
import {
  DIRECTORY,
  MAKE_AGAIN_PAUSES_MS,
  nextPauseMs,
  report,
  retryMs,
  WAITS_FOR_SIGN,
} from "./repair.ts";
import { errorText } from "../platform/error.ts";

/** Removing a directory takes a moment: rm -rf must not find something new in it. */
const SETTLE_MS = 50;
/** While it cannot be made, the directory that is watched for it may be a busy one. */
const TROUBLED_SETTLE_MS = 250;
/** What is made is watched, and looked at again. */
const MOST_ROUNDS = 3;
/** Nothing was removed for this long: the fight is over. */
const QUIET_MS = 2 * Math.max(...MAKE_AGAIN_PAUSES_MS);

/** Something at a fixed path. */
export interface GuardedPath {
  /** For people: "control socket". */
  readonly what: string;
  readonly path: string;
  /** It is there and ours, or it is another baton's by now. */
  isInPlace(): boolean;
  /** Puts it there again. @throws {Error} when that cannot be */
  restore(): void;
}

interface RuntimeGuardOptions {
  readonly directory: string;
  /** In the order in which they are to be made. */
  readonly paths: () => readonly GuardedPath[];
  readonly log: { warn(text: string): void };
  /** Something was made again. */
  readonly onRestored: () => void;
}

export class RuntimeGuard {
  readonly #uid: number;
  #mode: number | null = null;
  readonly #watch: RemovalWatch;
  #timer: ReturnType<typeof setTimeout> | null = null;
  #dueAt = Infinity;
  #isClosed = false;
  /** Why something is missing, as it was logged. */
  #trouble: string | null = null;
  /** What was missing since all was well. */
  readonly #lost = new Set<string>();
  /** In this look. */
  #hasMade = false;
  #madeAt = -Infinity;
  #timesMade = 0;
  #failures = 0;
  #isPostponed = false;
  #cannotWatch = false;

  constructor(readonly platform: Platform, readonly options: RuntimeGuardOptions) {
    this.#uid = platform.processes.userId();
    this.#watch = new RemovalWatch(platform, () => this.#onSign());
    this.check();
  }

  #onSign(): void {
    if (!this.#isPostponed) this.#lookIn(this.#trouble === null ? SETTLE_MS : TROUBLED_SETTLE_MS);
  }

  /** The earliest of all that was asked for. */
  #lookIn(delayMs: number): void {
    const dueAt = performance.now() + delayMs;
    if (this.#isClosed || this.#dueAt <= dueAt) return;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#dueAt = dueAt;
    this.#timer = setTimeout(() => this.check(), delayMs);
  }

  #forgetTimer(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#dueAt = Infinity;
  }

  /** Never throws: the service must not suffer from what is not of the service. */
  check(): void {
    if (this.#isClosed) return;
    this.#forgetTimer();
    this.#hasMade = false;
    try {
      for (let i = 0; i < MOST_ROUNDS && !this.#round(); i++);
    } catch (error) {
      this.options.log.warn(`cannot look after ${this.options.directory}: ${errorText(error)}`);
    }
  }

  /** @returns whether nothing is left to do now */
  #round(): boolean {
    const { directory, paths: fixtures } = this.options;
    const all = fixtures();
    this.#watchAll(all);
    const problem = this.#problem();
    const missing = all.filter((fixture) => !isFine(fixture));
    if (problem === null) this.#mode ??= statSync(directory).mode & 0o777;
    if (missing.length === 0 && problem === null) return this.#allIsWell();
    if (problem === "gone") this.#lost.add(DIRECTORY);
    for (const { what } of missing) this.#lost.add(what);
    if (performance.now() - this.#madeAt > QUIET_MS) this.#timesMade = 0;
    const pauseMs = this.#madeAt + nextPauseMs(this.#timesMade) - performance.now();
    if (pauseMs > 0 && !this.#hasMade) return this.#postpone(pauseMs);
    return !this.#repair(missing);
  }

  #postpone(pauseMs: number): true {
    const { directory, log } = this.options;
    if (!this.#isPostponed) {
      log.warn(report.postponed(directory, [...this.#lost], pauseMs));
    }
    this.#isPostponed = true;
    this.#lookIn(pauseMs);
    return true;
  }

  /** @returns whether all of it was done */
  #repair(missing: readonly GuardedPath[]): boolean {
    const { directory } = this.options;
    const troubles: unknown[] = [];
    let made = 0;
    this.#isPostponed = false;
    try {
      remakeDirectory(directory, this.#uid, this.#mode ?? 0o700);
    } catch (error) {
      troubles.push(error);
    }
    const isUsable = troubles.length === 0;
    for (const fixture of missing) {
      if (!isUsable && dirname(fixture.path) === directory) continue;
      try {
        fixture.restore();
        made++;
      } catch (error) {
        troubles.push(new Error(`${fixture.what}: ${errorText(error)}`, { cause: error }));
      }
    }
    if (made > 0) this.#onMade();
    if (troubles.length === 0) return true;
    this.#onTrouble(troubles);
    return false;
  }

  #onMade(): void {
    this.#madeAt = performance.now();
    if (!this.#hasMade) this.#timesMade++;
    this.#hasMade = true;
    this.options.onRestored();
  }

  #onTrouble(troubles: readonly unknown[]): void {
    const text = troubles.map(errorText).join("; ");
    if (text !== this.#trouble) {
      this.options.log.warn(report.trouble(this.options.directory, [...this.#lost], text));
    }
    this.#trouble = text;
    // Nothing tells of room on a disk.
    const hasSign = troubles.every((error) => WAITS_FOR_SIGN.includes(codeOf(error)));
    if (!hasSign) this.#lookIn(retryMs(this.#failures++));
  }

  #allIsWell(): true {
    if (this.#lost.size > 0) {
      this.options.log.warn(
        report.restored(this.options.directory, [...this.#lost], this.#timesMade),
      );
    }
    this.#lost.clear();
    this.#isPostponed = false;
    this.#trouble = null;
    this.#failures = 0;
    return true;
  }

  /** @returns null when the directory can be used */
  #problem(): "gone" | "strange" | null {
    const { directory } = this.options;
    if (!exists(directory)) return "gone";
    try {
      checkDirectory(directory, this.#uid);
      return null;
    } catch {
      return "strange";
    }
  }

  #watchAll(fixtures: readonly GuardedPath[]): void {
    const { directory, log } = this.options;
    const strange = this.#problem() === "strange" || this.#trouble !== null
      ? [directory, dirname(directory)].filter(exists)
      : [];
    try {
      this.#watch.watch([directory, ...fixtures.map(({ path }) => path)], strange);
      this.#cannotWatch = false;
    } catch (error) {
      if (this.#cannotWatch) return;
      this.#cannotWatch = true;
      log.warn(
        `cannot watch ${directory}: ${
          errorText(error)
        }: it is not made again when it is removed. ` +
          "Raise fs.inotify.max_user_instances and fs.inotify.max_user_watches",
      );
    }
  }

  close(): void {
    this.#isClosed = true;
    this.#forgetTimer();
    this.#watch.close();
  }
}

function isFine(fixture: GuardedPath): boolean {
  try {
    return fixture.isInPlace();
  } catch {
    return false;
  }
}

function codeOf(error: unknown): string {
  const { code, cause } = error as { code?: string; cause?: unknown };
  return code ?? (cause === undefined ? "" : codeOf(cause));
}
