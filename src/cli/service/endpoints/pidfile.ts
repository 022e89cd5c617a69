/**
 * `--pidfile`: written by rename, so that no reader sees half of it; moved, not removed, by an upgrade.
 *
 * While two instances run, PATH names the new one and PATH.oldbin the old one, as with nginx. Only the process
 * that wrote a pidfile removes it: a process in another container may have the same number.
 */
import { existsSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import type { GuardedPath } from "../../../admin/runtime_guard.ts";
import { UserError } from "../../../config/values/errors.ts";
import { processName, processStat } from "../../../platform/process/proc.ts";
import { EXIT_BUSY } from "../../console/exit_status.ts";
import { errorText } from "../../../platform/error.ts";
import { statOf } from "../../../platform/files/path.ts";
import { NOT_A_FILE } from "../../../platform/files/regular_file.ts";

export class Pidfile {
  /** Inode of the file that this process wrote; null: it wrote none. */
  #inode: number | null = null;

  constructor(readonly path: string, readonly pid: number) {}

  get #old(): string {
    return `${this.path}.oldbin`;
  }

  /** @throws {UserError} when it names a running baton, or is no file; a stale file is overwritten */
  take(): void {
    this.#refuseOthers();
    const holder = Number(this.#read());
    // The number may belong to another process by now: to this one, in a new container, or to another program.
    const isBaton = processName(holder) === processName(this.pid);
    if (holder > 1 && holder !== this.pid && processStat(holder) && isBaton) {
      throw new UserError(
        `Cannot take over pidfile ${this.path}: ` +
          `process ${holder} (${processName(holder)}) is running`,
        { status: EXIT_BUSY, remedy: "Stop that process, or use another --pidfile" },
      );
    }
    this.#write();
  }

  /** Replaces the predecessor's file, which is kept as PATH.oldbin. */
  takeOver(): void {
    this.#refuseOthers();
    if (existsSync(this.path)) renameSync(this.path, this.#old);
    this.#write();
  }

  removeOld(): void {
    rmSync(this.#old, { force: true });
  }

  /** For the guard: a file that another program wrote there stays. */
  guardedPath(): GuardedPath {
    return {
      what: "pidfile",
      path: this.path,
      isInPlace: () => existsSync(this.path),
      restore: () => this.#write(),
    };
  }

  remove(): void {
    // The content is compared, too: the inode of a removed file is soon used again.
    const isOurs = statSync(this.path, { throwIfNoEntry: false })?.ino === this.#inode &&
      this.#read() === String(this.pid);
    if (isOurs) rmSync(this.path, { force: true });
  }

  /** What is written by rename would take the place of /dev/null, for all programs of the machine. */
  #refuseOthers(): void {
    if (statOf(this.path)?.isFile() ?? true) return;
    throw new UserError(`Cannot write --pidfile ${this.path}: ${NOT_A_FILE}`, {
      remedy: "Use another path; without --pidfile none is written",
    });
  }

  #read(): string {
    return existsSync(this.path) ? readFileSync(this.path, "utf8").trim() : "";
  }

  #write(): void {
    const temporary = `${this.path}.${this.pid}`;
    try {
      writeFileSync(temporary, `${this.pid}\n`);
      this.#inode = statSync(temporary).ino;
      renameSync(temporary, this.path);
    } catch (error) {
      throw new UserError(`Cannot write --pidfile ${this.path}: ${errorText(error)}`);
    }
  }
}
