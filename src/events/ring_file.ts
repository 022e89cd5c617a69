/**
 * The ring in a file beside the control socket, from which the next baton reads it: after an upgrade, a takeover under the
 * same name, or the death of this one. It is a convenience: without it, events are kept in memory only.
 */
import { appendFileSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { REMEMBERED, Ring } from "./ring.ts";

/** For the owner and root only, as the control socket. */
const MODE = 0o600;
/** Lines with which the file is written again, without what is forgotten. */
const MOST_LINES = 4 * REMEMBERED;

export class RingFile {
  #lines = 0;
  /** Whether the file lacks something: a full disk takes half a line, or none. */
  #isIncomplete = false;

  /** @param check throws where others may write: they could make the path lead to a file that is not theirs */
  constructor(readonly path: string, readonly check: () => void = () => {}) {}

  /** From here on this instance writes. @returns an empty one where there is none, or it cannot be read */
  read(): Ring {
    const text = this.#text();
    // What a killed baton did not finish must not become the beginning of a line.
    if (text !== "" && !text.endsWith("\n")) this.#write("\n");
    this.#lines = text.split("\n").length;
    return Ring.from(text);
  }

  /** What another instance has written by now. */
  look(): Ring {
    return Ring.from(this.#text());
  }

  #text(): string {
    try {
      return readFileSync(this.path, "utf8");
    } catch {
      return "";
    }
  }

  /** @param ring has the entry, too */
  append(entry: object, ring: Ring): void {
    if (++this.#lines > MOST_LINES || this.#isIncomplete) return this.#rewrite(ring);
    this.#write(`${JSON.stringify(entry)}\n`);
  }

  #write(text: string): void {
    try {
      this.check();
      appendFileSync(this.path, text, { mode: MODE });
    } catch {
      // The disk is full, or the directory was removed and comes again.
      this.#isIncomplete = true;
    }
  }

  /** Replaces the file in one step: a reader finds one of the two. */
  #rewrite(ring: Ring): void {
    const lines = ring.lines();
    const next = `${this.path}.next`;
    try {
      this.check();
      writeFileSync(next, lines.map((line) => `${line}\n`).join(""), { mode: MODE });
      renameSync(next, this.path);
      this.#lines = lines.length;
      this.#isIncomplete = false;
    } catch {
      // The next line tries it again.
      this.#isIncomplete = true;
      removeIfPossible(next);
    }
  }

  /** The service has ended. */
  remove(): void {
    removeIfPossible(this.path);
    // This file is left by a baton that was killed while it wrote.
    removeIfPossible(`${this.path}.next`);
  }
}

/** Where nothing can be written, it stays. */
function removeIfPossible(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch {
    // The next baton of this name continues it.
  }
}
