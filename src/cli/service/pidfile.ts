/**
 * `--pidfile`: written by rename, so that no reader sees half of it; moved, not removed, by an upgrade.
 *
 * While two batons are alive PATH names the new one and PATH.oldbin the old one, as with nginx. A
 * pidfile is removed at the end only by the process that has written it: in another container that
 * may be one of the same number.
 */
import { existsSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { UserError } from "../../config/values/errors.ts";
import { processName, processStat } from "../../platform/process/proc.ts";
import { EXIT_BUSY } from "../console/exit_status.ts";
import { errorText } from "../../platform/error.ts";

export class Pidfile {
  /** Of the file that was written here; null: none was. */
  #inode: number | null = null;

  constructor(readonly path: string, readonly pid: number) {}

  get #old(): string {
    return `${this.path}.oldbin`;
  }

  /** @throws {UserError} when it names a live process; a stale one is taken over */
  take(): void {
    const holder = Number(this.#read());
    // A number may have been used again since: by ourselves in a new container, or by another program.
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

  /** From the baton that this one replaces. */
  takeOver(): void {
    if (existsSync(this.path)) renameSync(this.path, this.#old);
    this.#write();
  }

  /** The baton that was replaced has ended. */
  removeOld(): void {
    rmSync(this.#old, { force: true });
  }

  /** A file is there, ours or not: one that others have written is left alone. */
  get isThere(): boolean {
    return existsSync(this.path);
  }

  /** It was removed, with its directory or alone. */
  restore(): void {
    this.#write();
  }

  /** At the end of this process. */
  remove(): void {
    // The number too: an inode that is free is soon used again.
    const isOurs = statSync(this.path, { throwIfNoEntry: false })?.ino === this.#inode &&
      this.#read() === String(this.pid);
    if (isOurs) rmSync(this.path, { force: true });
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
      const why = errorText(error);
      throw new UserError(`Cannot write --pidfile ${this.path}: ${why}`);
    }
  }
}
