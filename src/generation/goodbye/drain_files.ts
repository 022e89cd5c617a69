/**
 * Files that are there while a server says goodbye (`--drain-call file:PATH`): servers that can look at one for each answer
 * need no control interface. Workers and generations may have the same one, which is there until the last has ended.
 *
 * Only an empty file is ever removed: another one is not what baton has made.
 */
import { lstatSync, rmSync, writeFileSync } from "node:fs";
import { statOf } from "../../platform/files/path.ts";

export class DrainFiles {
  readonly #users = new Map<string, number>();

  /** Makes the file, if it is not there. @throws when it cannot be made */
  take(path: string): void {
    const there = statOf(path);
    // Opening a FIFO would hold all of baton.
    if (there !== null && !there.isFile() && !there.isDirectory()) {
      throw new Error(`${path} is no regular file: name another one`);
    }
    // A file that is there stays as it is: it may be another user's, or left by the baton before this one.
    writeFileSync(path, "", { flag: "a" });
    this.#users.set(path, (this.#users.get(path) ?? 0) + 1);
  }

  leave(path: string): void {
    const left = (this.#users.get(path) ?? 1) - 1;
    if (left > 0) {
      this.#users.set(path, left);
      return;
    }
    this.#users.delete(path);
    removeEmpty(path);
  }

  /** Removes a file that a killed baton has left: a server that starts would say goodbye from its first answer on. */
  clear(path: string): void {
    if (!this.#users.has(path)) removeEmpty(path);
  }
}

function removeEmpty(path: string): void {
  try {
    const stat = lstatSync(path, { throwIfNoEntry: false });
    if (stat?.isFile() && stat.size === 0) rmSync(path, { force: true });
  } catch {
    // Without the right to remove it there was none to make it.
  }
}
