/**
 * The server's own pid file (`--server-pidfile`): it names the serving generation at every moment, whatever the others do
 * with it. A candidate writes its own process id too early, and an old generation removes the file at its end, though it
 * is the new one's by then.
 *
 * Written by rename, so that no reader sees half of it, with the text, mode and owner that the server gave it: that may be
 * another process than the leading one (behind tini, in the background).
 */
import {
  closeSync,
  fchmodSync,
  fchownSync,
  openSync,
  renameSync,
  rmSync,
  type Stats,
  statSync,
  writeSync,
} from "node:fs";
import { keptPidfile } from "../config/presets.ts";
import { candidateOf, type ServiceState, servingOf } from "../lifecycle/state.ts";
import type { Timer } from "../platform/clock.ts";
import { errorText } from "../platform/error.ts";
import { firstBytes } from "../platform/files/first_bytes.ts";
import { statOf } from "../platform/files/path.ts";
import { RemovalWatch } from "../platform/files/removal_watch.ts";
import type { Platform } from "../platform/platform.ts";
import type { SupervisorParts } from "./parts.ts";

const DEFAULT_MODE = 0o644;
/** Writes before a pause: another program that keeps writing this file must not keep the machine busy. */
const MOST_WRITES = 20;
const PAUSE_MS = 1_000;
/**
 * A candidate may remove the file before it creates its own, which must not exist then (stunnel). That the file is away
 * for a second is better than a reload that fails because its process was not scheduled between the two.
 */
const CREATION_MS = 1_000;
const LONGEST = 4096;
const MOST_ROUNDS = 4;

interface Generation {
  /** Its leading process; null: it has none. */
  readonly pid: number | null;
  processes(): number[];
}

interface ServerPidfileOptions {
  readonly path: string;
  readonly running: ReadonlyMap<number, Generation>;
  readonly log: { info(text: string): void; warn(text: string): void };
}

interface Written extends Pick<Stats, "mode" | "uid" | "gid"> {
  readonly inode: number;
  readonly text: string;
}

export class ServerPidfile {
  /** What each generation's server has written itself, by epoch. */
  readonly #written = new Map<number, Written>();
  readonly #watch: RemovalWatch;
  /** What the file must hold now; null: it is not ours to write. */
  #wanted: string | null = null;
  #serving: number | null = null;
  #writes = 0;
  #pause: Timer | null = null;
  #hasCandidate = false;
  /** The file is away, and a candidate is expected to write it. */
  #creation: Timer | null = null;
  #isOverdue = false;
  #trouble: string | null = null;
  #isWatching = false;
  /** Inode of the file that is watched; null: its absence is; undefined: nothing. */
  #watchedInode: number | null | undefined = undefined;

  constructor(readonly platform: Platform, readonly options: ServerPidfileOptions) {
    this.#watch = new RemovalWatch(platform, () => this.#keep());
  }

  /** After each step of the lifecycle. */
  update(state: ServiceState): void {
    const { inherited, upgrade, shutdown, generations } = state;
    const epoch = servingOf(state)?.epoch ?? null;
    for (const known of this.#written.keys()) {
      if (!generations.some((each) => each.epoch === known)) this.#written.delete(known);
    }
    // In a takeover or upgrade another baton keeps the file.
    const isOurs = epoch !== inherited && upgrade === null &&
      (shutdown?.handedOver ?? null) === null;
    const serving = isOurs ? epoch : null;
    if (serving === null) this.#wanted = shutdown === null ? null : this.#wanted;
    this.#hasCandidate = candidateOf(state) !== null;
    const isNew = serving !== null && serving !== this.#serving;
    this.#serving = serving;
    if (isNew) this.#keep();
  }

  /** Another change may come before the new file is watched. */
  #keep(): void {
    for (let i = 0; i < MOST_ROUNDS && !this.#isRight(); i++) this.#watchAgain();
  }

  /** @returns false when the file had to be written, or is not watched yet */
  #isRight(): boolean {
    const { path, running } = this.options;
    // /dev/null: the server is to write none. A file in its place would harm all programs of the machine.
    if (isDevice(path)) return true;
    const present = look(path);
    this.#note(present);
    const pid = this.#serving === null ? null : running.get(this.#serving)?.pid ?? null;
    const isWatched = this.#watchedInode === (present?.inode ?? null);
    if (this.#serving === null || pid === null) return isWatched;
    const own = this.#written.get(this.#serving) ?? null;
    this.#wanted = own?.text ?? `${pid}\n`;
    if (present?.text === this.#wanted) return isWatched;
    if (present === null && this.#leavesToCandidate()) return isWatched;
    this.#write(this.#wanted, own ?? present);
    return false;
  }

  #leavesToCandidate(): boolean {
    if (!this.#hasCandidate || this.#isOverdue) return false;
    this.#creation ??= this.platform.clock.after(CREATION_MS, () => {
      this.#creation = null;
      this.#isOverdue = true;
      this.#keep();
      this.#isOverdue = false;
    });
    return true;
  }

  /** What a server has written is right for its generation, from now on. */
  #note(present: Written | null): void {
    const pid = Number(/^\s*(\d+)/.exec(present?.text ?? "")?.[1] ?? NaN);
    if (present === null || Number.isNaN(pid)) return;
    for (const [epoch, generation] of this.options.running) {
      if (generation.pid !== pid && !generation.processes().includes(pid)) continue;
      this.#written.set(epoch, present);
    }
  }

  #write(text: string, like: Written | null): void {
    if (this.#pause !== null) return;
    if (++this.#writes > MOST_WRITES) return this.#rest();
    const { path, log } = this.options;
    try {
      replaceFile(path, `${path}.baton-${this.platform.runtime.pid}`, text, like);
      this.#trouble = null;
    } catch (error) {
      const why = errorText(error);
      if (why !== this.#trouble) log.warn(`cannot keep the server's pid file ${path}: ${why}`);
      this.#trouble = why;
    }
  }

  #rest(): void {
    this.#pause = this.platform.clock.after(PAUSE_MS, () => {
      this.#pause = null;
      this.#writes = 0;
      this.#keep();
    });
  }

  /** The file that is in place now is another one than the last. */
  #watchAgain(): void {
    const { path, log } = this.options;
    try {
      this.#watchedInode = look(path)?.inode ?? null;
      this.#watch.watch([path]);
      if (!this.#isWatching && this.#trouble === null) {
        log.info(`the server's pid file ${path} is kept: it names the serving process`);
      }
      this.#isWatching = true;
    } catch (error) {
      if (!this.#isWatching) {
        log.warn(`cannot watch the server's pid file ${path}: ${errorText(error)}`);
      }
      this.#isWatching = true;
    }
  }

  /** @param remove the service has ended: the file too, if it is still as it was kept */
  close(remove: boolean): void {
    this.#watch.close();
    this.#pause?.cancel();
    this.#creation?.cancel();
    const { path } = this.options;
    if (remove && this.#wanted !== null && look(path)?.text === this.#wanted) {
      rmSync(path, { force: true });
    }
  }
}

/** @returns null: the server has none, or one for each generation */
export function serverPidfile(
  { context: { config, preset, platform }, running, options: { logger } }: SupervisorParts,
): ServerPidfile | null {
  const path = keptPidfile(config, preset);
  return path === null ? null : new ServerPidfile(platform, { path, running, log: logger });
}

/** Bounded, and without waiting: the server's user may have put anything there, a FIFO, a link to a device. */
function look(path: string): Written | null {
  const bytes = firstBytes(path, LONGEST + 1);
  const stats = bytes && statSync(path, { throwIfNoEntry: false });
  if (!bytes || !stats) return null;
  const { mode, uid, gid, ino: inode } = stats;
  const text = bytes.length > LONGEST ? "" : new TextDecoder().decode(bytes);
  return { mode, uid, gid, inode, text };
}

function isDevice(path: string): boolean {
  const stat = statOf(path);
  return stat !== null && (stat.isCharacterDevice() || stat.isBlockDevice());
}

/** @throws {Error} when that is impossible */
function replaceFile(path: string, temporary: string, text: string, like: Written | null): void {
  rmSync(temporary, { force: true });
  // Exclusive: in a directory of the server's user, that one may have put a link there.
  const file = openSync(temporary, "wx", DEFAULT_MODE);
  try {
    writeSync(file, text);
    if (like !== null) {
      fchmodSync(file, like.mode & 0o777);
      ignoringRefusal(() => fchownSync(file, like.uid, like.gid));
    }
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  } finally {
    closeSync(file);
  }
}

/** Only root may give a file away. */
function ignoringRefusal(action: () => void): void {
  try {
    action();
  } catch (error) {
    if ((error as { code?: string }).code !== "EPERM") throw error;
  }
}
